/** Hides the answer until somebody asks for it: guess first, then show. */

export class Curtain {
  #curtain;
  /** For whom it hides answers: falls again for the next drawing as long as there is anybody. */
  #wanted = new Set();

  /**
   * @param {HTMLElement} curtain over the answer, with the button that lifts it
   * @param {HTMLElement} answer
   */
  constructor(curtain, answer) {
    this.#curtain = curtain;
    curtain.querySelector("button")?.addEventListener("click", () => {
      this.lift();
      answer.focus(); // the button has gone
    });
  }

  /**
   * @param {string} who
   * @param {boolean} wanted
   */
  want(who, wanted) {
    if (wanted) this.#wanted.add(who);
    else this.#wanted.delete(who);
    if (this.#wanted.size) this.fall();
    else this.lift();
  }

  /** There is something new to guess. */
  fall() {
    this.#show(this.#wanted.size > 0);
  }

  lift() {
    this.#show(false);
  }

  /** @param {boolean} down */
  #show(down) {
    this.#curtain.hidden = !down;
    document.body.classList.toggle("hides", down);
  }
}
