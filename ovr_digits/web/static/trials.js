/** The row "Try": a form to trace, a real digit to guess, no digits to fool it with, a class. */

import * as client from "./client.js";
import { connectClass } from "./classroom.js";
import { Fool } from "./fool.js";
import { Guess } from "./guess.js";
import { Trace } from "./trace.js";

/**
 * @typedef {object} Examples
 * @property {[number, number[][]][]} forms a digit, and its strokes: x and y in turn, in hundredths of
 *   its height
 * @property {[number, string][]} digits a label, and 64 letters: 8 rows of 8 levels
 * @property {string} source of the digits
 *
 * @typedef {object} Trial
 * @property {(examples: Examples) => void} begin
 * @property {() => void} end
 * @property {(vote: import("./votes.js").Vote | null) => void} tell the newest answer, null without ink
 */

/** At most one of them is under way. */
export class Trials {
  /** @type {Trial | null} */
  #current = null;
  /** @type {Promise<Examples> | null} */
  #examples = null;
  /** @type {import("./votes.js").Vote | null} */
  #vote = null;

  /**
   * @param {import("./paper.js").Paper} paper
   * @param {import("./session.js").Session} session
   * @param {import("./curtain.js").Curtain} curtain
   */
  constructor(paper, session, curtain) {
    const panel = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.getElementById(name));
    /** @type {Record<string, Trial>} */
    const trials = {
      trace: new Trace(panel("trace"), paper),
      guess: new Guess(panel("guess"), paper, curtain),
      fool: new Fool(panel("fool"), paper, session),
      class: connectClass(panel("class"), curtain),
    };
    const buttons = [...document.querySelectorAll(".try button")];
    const opens = (/** @type {Element} */ button) => button.getAttribute("aria-controls") ?? "";
    for (const button of buttons) {
      button.addEventListener("click", async () => {
        const opened = button.ariaExpanded === "true" ? null : button;
        this.#current?.end();
        this.#current = null;
        for (const each of buttons) {
          each.ariaExpanded = `${each === opened}`;
          panel(opens(each)).hidden = each !== opened;
        }
        if (!opened) return;
        const trial = trials[opens(opened)];
        this.#current = trial;
        this.#examples ??= client.examples();
        try {
          const examples = await this.#examples;
          if (this.#current !== trial) return;
          trial.tell(this.#vote);
          trial.begin(examples);
        } catch {
          this.#examples = null; // the next may be answered
        }
      });
    }
  }

  /** @param {import("./votes.js").Vote | null} vote */
  tell(vote) {
    this.#vote = vote;
    this.#current?.tell(vote);
  }
}
