/** Fool it: counts drawings that are no digit but that a detector took for one, and saves them. */

import { saveWithVotes } from "./snapshot.js";

/** @implements {import("./trials.js").Trial} */
export class Fool {
  #words;
  #no;
  #save;
  #paper;
  /** @type {import("./votes.js").Vote | null} */
  #vote = null;
  /** The version of the drawing that was counted last. */
  #counted = -1;
  #tried = 0;
  #fooled = 0;

  /**
   * @param {HTMLElement} panel
   * @param {import("./paper.js").Paper} paper
   * @param {import("./session.js").Session} session
   */
  constructor(panel, paper, session) {
    [this.#words, this.#no, this.#save] = /** @type {HTMLElement[]} */ ([...panel.children]);
    this.#paper = paper;
    this.#no.addEventListener("click", () => this.#count());
    this.#save.addEventListener("click", () => {
      if (this.#vote && !this.#paper.empty) saveWithVotes(session.sheet(), this.#vote);
    });
  }

  begin() {
    const so = this.#tried ? this.#score() : "";
    this.#words.textContent = `Draw what is no digit, but might pass for one. ${so}`;
    this.#offer();
  }

  end() {}

  /** @param {import("./votes.js").Vote | null} vote */
  tell(vote) {
    this.#vote = vote;
    this.#offer();
  }

  #offer() {
    const there = this.#vote !== null && !this.#paper.empty;
    this.#save.ariaDisabled = `${!there}`;
    this.#no.ariaDisabled = `${!there || this.#counted === this.#paper.version}`;
  }

  #count() {
    if (this.#no.ariaDisabled === "true" || !this.#vote) return;
    const { fired } = this.#vote;
    this.#counted = this.#paper.version;
    this.#tried += 1;
    this.#fooled += Number(fired.length > 0);
    const names = fired.map((digit) => (digit === 8 ? "an 8" : `a ${digit}`));
    const what = fired.length ? `Taken for ${names.join(" and ")}!` : "No detector took it for a digit.";
    this.#words.textContent = `${what} ${this.#score()}`;
    this.#offer();
  }

  #score() {
    return `Fooled by ${this.#fooled} of ${this.#tried}.`;
  }
}
