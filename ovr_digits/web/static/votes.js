/** The ten bars, and the verdict in words. */

/** @typedef {Pick<import("./client.js").Prediction, "digit" | "verdict" | "fired" | "votes" | "scores">} Vote */

const NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
export const BLANK = "Draw a digit";
/** Log-odds to each side of the threshold that there is room for, as SCORE_SPAN of core/vote.py. */
export const SPAN = 20;

/**
 * @param {Vote} vote
 * @returns {string}
 */
export function words({ digit, verdict, fired }) {
  const name = NAMES[digit];
  if (verdict === "sure") return `${name}, sure`;
  if (verdict === "none") return `no detector recognises this; closest is ${name}`;
  const others = fired.slice(0, -1).join(", ");
  const together = fired.length === 2 ? "both" : "all";
  return `probably ${name}; ${others} and ${fired.at(-1)} ${together} said yes`;
}

/**
 * Give an element a text; the same one again would be laid out anew.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The list of ten rows: scores as bars from the threshold on one fixed scale, votes as numbers.
 *
 * Event: "choose" (detail: the digit, or null) when a bar was tapped, or tapped again.
 */
export class Bars extends EventTarget {
  #rows;
  /** @type {number | null} */
  #chosen = null;

  /** @param {HTMLElement} list */
  constructor(list) {
    super();
    this.#rows = Array.from({ length: 10 }, (_, digit) => {
      const row = document.createElement("li");
      row.dataset.digit = `${digit}`;
      const parts = ["name", "track", "share", "says"].map((name) => {
        const part = document.createElement("span");
        part.className = name;
        return part;
      });
      const [name, track, share, says] = parts;
      const bar = document.createElement("span");
      bar.className = "bar";
      track.append(bar);
      name.textContent = `${digit}`;
      const button = document.createElement("button");
      button.type = "button";
      button.title = button.ariaLabel = `What detector ${digit} looks for`;
      button.addEventListener("click", () => {
        this.choose(this.#chosen === digit ? null : digit);
        this.dispatchEvent(new CustomEvent("choose", { detail: this.#chosen }));
      });
      row.append(...parts, button);
      list.append(row);
      return { row, bar, share, says, button };
    });
    this.choose(null);
    this.show(null);
  }

  /** @param {number | null} digit */
  choose(digit) {
    this.#chosen = digit;
    this.#rows.forEach(({ button }, i) => (button.ariaPressed = `${i === digit}`));
  }

  /** @param {Vote | null} vote */
  show(vote) {
    this.#rows.forEach(({ row, bar, share, says }, digit) => {
      const score = vote?.scores[digit] ?? 0;
      const fired = vote?.fired.includes(digit) ?? false;
      row.classList.toggle("fired", fired);
      row.classList.toggle("winner", vote?.digit === digit);
      row.classList.toggle("above", score > SPAN);
      row.classList.toggle("below", score < -SPAN);
      const length = Math.max(-1, Math.min(1, score / SPAN));
      bar.style.setProperty("--score", length.toFixed(4));
      write(share, vote ? `${Math.round(100 * vote.votes[digit])}\u00a0%` : "");
      write(says, fired ? "yes" : "");
    });
  }
}

/** The answer above the bars: a live region that speaks once a stroke has ended, not during it. */
export class Answer {
  #headline;
  #digit;
  #number;
  #words;
  #notice;
  /** What a screen reader has been given. */
  #said = BLANK;

  /** @param {HTMLElement} region */
  constructor(region) {
    const part = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (region.querySelector(name));
    this.#headline = part(".headline");
    this.#digit = part(".digit");
    this.#number = part("#number");
    this.#words = part(".words");
    this.#notice = part(".notice");
  }

  /**
   * @param {Vote | null} vote null for empty paper
   * @param {boolean} live whether the stroke goes on
   */
  showDigit(vote, live) {
    this.#show(vote ? `${vote.digit}` : "", "", vote ? words(vote) : BLANK, vote?.verdict, live);
  }

  /** @param {import("./client.js").NumberReading} reading */
  showNumber({ text, digits, left_out }) {
    const unsure = digits.filter(({ verdict }) => verdict !== "sure").length;
    const rest = unsure ? `; ${unsure} of them not sure` : ", all sure";
    const marks = left_out.length === 1 ? "mark" : "marks";
    const others = left_out.length ? `; ${left_out.length} other ${marks} left out` : "";
    this.#show("", text, `${digits.length} digits${rest}${others}`, unsure ? "conflict" : "sure", false);
  }

  /** @param {string} text an error or a hint; empty to take it away */
  note(text) {
    write(this.#notice, text);
  }

  /**
   * @param {string} digit
   * @param {string} number
   * @param {string} text
   * @param {string} [verdict]
   * @param {boolean} [live]
   */
  #show(digit, number, text, verdict = "blank", live = false) {
    const said = [digit, number, text].join(" ");
    this.#headline.dataset.verdict = verdict;
    this.#number.hidden = !number;
    this.#number.classList.toggle("long", number.length > 6);
    this.#headline.ariaLive = live ? "off" : null;
    const fresh = !live && said !== this.#said;
    if (fresh) this.#said = said;
    for (const [part, content] of /** @type {const} */ ([
      [this.#digit, digit],
      [this.#number, number],
      [this.#words, text],
    ])) {
      // A new text is spoken even where the same one was shown, unspoken, during the stroke.
      if (fresh || part.textContent !== content) part.textContent = content;
    }
  }
}
