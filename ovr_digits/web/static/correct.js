/** "What was it?": teaches a drawing's true digit, and shows what has been taught and what it changed. */

import * as client from "./client.js";
import { showSeen } from "./maps.js";
import * as taught from "./taught.js";
import { download } from "./tools.js";
import { voteOn } from "./vote.js";

/**
 * @typedef {import("./taught.js").Prediction} Prediction
 * @typedef {Pick<taught.Lesson, "image" | "scores" | "models">} Drawing and the scores of the detectors
 *   as they came
 */

/** What can be said, and by which name. @type {[number | null, string][]} */
const LABELS = [
  ...Array.from({ length: 10 }, (_, digit) => /** @type {[number, string]} */ ([digit, `${digit}`])),
  [null, "no digit"],
];
/** Other drawings of this visit that are looked at again. */
const REMEMBERED = 50;

/** @param {import("./vote.js").Answer} vote */
function readingOf({ digit, verdict }) {
  if (verdict === "none") return "no digit";
  return verdict === "sure" ? `${digit}` : `probably ${digit}`;
}

/**
 * @param {Drawing} drawing
 * @returns {[string, string]} what it is read as by the detectors as they came, and as taught
 */
function beforeAndAfter(drawing) {
  return [voteOn(drawing.scores), taught.voteAfter(drawing)].map((vote) => readingOf(vote));
}

/**
 * @param {string} name
 * @param {string} text
 */
function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/**
 * @param {Drawing} drawing
 * @param {string} title
 * @param {boolean} [isOthers] whether it was taught to other detectors than those that answer
 * @returns {HTMLLIElement} it, and its reading before and after
 */
function row(drawing, title, isOthers = false) {
  const item = document.createElement("li");
  const picture = document.createElement("canvas");
  picture.ariaHidden = "true";
  showSeen(picture, drawing.image);
  const words = document.createElement("p");
  const [before, after] = beforeAndAfter(drawing);
  const change = before === after ? ` ${after}, as before` : ` ${before} → ${after}`;
  words.append(element("b", title), isOthers ? " taught to other detectors" : change);
  item.append(picture, words);
  return item;
}

export class Correction {
  #section;
  #session;
  #ask;
  #thanks;
  #panel;
  #buttons;
  #keeps = false;
  /** The drawing that can be corrected. @type {Prediction | null} */
  #answer = null;
  /** What a drawing is said to be before it is answered. @type {number | null | undefined} */
  #said;
  /** Which detectors answered last, if any has. @type {string | null | undefined} */
  #models;
  /** Its image, as text. */
  #shown = "";
  /** Those before it. @type {Drawing[]} */
  #drawings = [];

  /**
   * @param {HTMLElement} section
   * @param {import("./session.js").Session} session
   */
  constructor(section, session) {
    const part = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (section.querySelector(name));
    this.#section = section;
    this.#session = session;
    this.#ask = part(".ask");
    this.#thanks = part(".thanks");
    this.#panel = part(".taught");
    this.#buttons = LABELS.map(([label, name]) => {
      const button = element("button", name);
      button.setAttribute("type", "button");
      button.ariaLabel = `It was ${name}`;
      button.addEventListener("click", () => this.#teach(label));
      part(".labels").append(button);
      return button;
    });
    /** @type {[string, () => void][]} */
    const actions = [
      [".undo-lesson", () => this.#forget(taught.undoLesson, "The last lesson is undone.")],
      [".forget", () => this.#forget(taught.forgetLessons, "All is forgotten.")],
      [".export", () => download(taught.corrections(), "corrections.jsonl")],
    ];
    for (const [name, act] of actions) part(name).addEventListener("click", act);
    taught.onElsewhere(() => this.#changed());
    this.#list();
    this.#show();
  }

  /** The service keeps drawings, too. */
  allow() {
    this.#keeps = true;
  }

  /** @param {Prediction | null} answer to one digit that can be corrected; null where there is none */
  offer(answer) {
    // The drawing that was there is finished once the paper is empty.
    if (!answer && this.#answer) {
      this.#remember(this.#answer);
      this.#list();
    }
    this.#answer = answer?.image ? answer : null;
    if (answer && answer.models !== this.#models) {
      this.#models = answer.models;
      this.#list();
    }
    const shown = JSON.stringify(answer?.image ?? null);
    if (shown !== this.#shown) this.#say("");
    this.#shown = shown;
    this.#mark(this.#labelOf(this.#answer));
    this.#show();
    const said = this.#said;
    this.#said = undefined;
    if (said !== undefined && this.#answer) this.#teach(said);
  }

  /** @param {Prediction} answer */
  #remember({ image = [], scores, untaught = scores, models }) {
    this.#drawings = [...this.#drawings, { image, scores: untaught, models }].slice(-REMEMBERED);
  }

  /**
   * @param {Drawing | Prediction | null} drawing
   * @returns {number | null | undefined} what it was taught as; undefined where it was not
   */
  #labelOf(drawing) {
    const image = JSON.stringify(drawing?.image);
    return taught
      .allLessons()
      .find((lesson) => lesson.models === drawing?.models && JSON.stringify(lesson.image) === image)?.label;
  }

  /** @param {number | null} label */
  async #teach(label) {
    if (!this.#session.settled) {
      this.#said = label;
      return;
    }
    const answer = this.#answer;
    if (!answer || this.#labelOf(answer) === label) return;
    if (taught.allLessons().length >= taught.MOST) {
      this.#say(`${taught.MOST} drawings are taught, as many as can be: save them for adapt.`);
      return;
    }
    taught.teach(answer, label);
    this.#say(taught.outlastsPage() ? "Learnt, in this browser alone." : "Learnt until this page closes.");
    const sheet = this.#session.sheet();
    this.#changed();
    if (!this.#keeps) return;
    try {
      await client.keep(sheet, label);
      this.#say("Learnt, in this browser alone. Kept by the service, too, for: ");
      this.#thanks.append(element("code", "ovr-digits adapt DIR"));
    } catch (error) {
      this.#say(/** @type {Error} */ (error).message);
    }
  }

  /**
   * @param {() => void} forget
   * @param {string} said
   */
  #forget(forget, said) {
    forget();
    this.#say(said);
    this.#changed();
    // A button that is gone takes the focus with it.
    if (!taught.allLessons().length) this.#thanks.focus();
  }

  /** Lessons have come or gone. */
  #changed() {
    this.#mark(this.#labelOf(this.#answer));
    this.#list();
    this.#show();
    this.#session.askAgain();
  }

  /** @param {number | null | undefined} label that was chosen; undefined for none */
  #mark(label) {
    this.#buttons.forEach((button, k) => (button.ariaPressed = `${LABELS[k][0] === label}`));
  }

  #show() {
    const { length } = taught.allLessons();
    this.#ask.hidden = !this.#answer;
    this.#panel.hidden = !length;
    this.#section.hidden = !this.#answer && !length;
  }

  /** List what was taught, the latest first, and what else is read otherwise because of it. */
  #list() {
    const [lessons, others, otherwise] = [".lessons", ".others", ".otherwise"].map(
      (name) => /** @type {HTMLElement} */ (this.#panel.querySelector(name)),
    );
    const rows = taught
      .allLessons()
      .map((lesson) => {
        const isOthers = this.#models !== undefined && lesson.models !== this.#models;
        return row(lesson, lesson.label === null ? "No digit:" : `A ${lesson.label}:`, isOthers);
      });
    lessons.replaceChildren(...rows.reverse());
    const untaught = this.#drawings.filter((drawing) => this.#labelOf(drawing) === undefined);
    const changed = untaught.filter((drawing) => {
      const [before, after] = beforeAndAfter(drawing);
      return before !== after;
    });
    others.textContent = untaught.length
      ? `Other drawings so far: ${untaught.length}, read otherwise: ${changed.length || "none"}.`
      : "";
    otherwise.replaceChildren(...changed.map((drawing) => row(drawing, "")));
  }

  /** @param {string} text */
  #say(text) {
    this.#thanks.textContent = text;
  }
}
