/** "What was it?": keeps a drawing with its true digit, where the service keeps drawings. */

import * as client from "./client.js";

export class Correction {
  #section;
  #buttons;
  #thanks;
  #keeps = false;

  /**
   * @param {HTMLElement} section
   * @param {import("./session.js").Session} session
   */
  constructor(section, session) {
    this.#section = section;
    this.#thanks = /** @type {HTMLElement} */ (section.querySelector(".thanks"));
    const row = /** @type {HTMLElement} */ (section.querySelector(".labels"));
    this.#buttons = Array.from({ length: 10 }, (_, digit) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${digit}`;
      button.ariaLabel = `It was ${digit}`;
      button.addEventListener("click", () => this.#keep(session, digit));
      row.append(button);
      return button;
    });
  }

  /** The service keeps drawings. */
  allow() {
    this.#keeps = true;
  }

  /** @param {boolean} offered whether there is one digit to be corrected */
  offer(offered) {
    this.#section.hidden = !(offered && this.#keeps);
    this.#say("", -1);
  }

  /**
   * @param {import("./session.js").Session} session
   * @param {number} label
   */
  async #keep(session, label) {
    if (this.#buttons.some(({ ariaDisabled }) => ariaDisabled === "true")) return;
    this.#say("", label);
    try {
      await client.keep(session.sheet(), label);
      this.#say(`Kept as a ${label}, thank you. The detectors learn from what is kept with: `, label);
      const command = document.createElement("code");
      command.textContent = "ovr-digits adapt DIR";
      this.#thanks.append(command);
    } catch (error) {
      this.#say(/** @type {Error} */ (error).message, -1);
    }
  }

  /**
   * @param {string} text
   * @param {number} label that was chosen; -1 for none
   */
  #say(text, label) {
    this.#thanks.textContent = text;
    this.#buttons.forEach((button, digit) => {
      button.ariaDisabled = `${label >= 0}`;
      button.classList.toggle("chosen", digit === label);
    });
  }
}
