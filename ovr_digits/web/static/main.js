/** Puts the page together: the paper, what is asked about it, and where the answers are shown. */

import * as client from "./client.js";
import { Correction } from "./correct.js";
import { Curtain } from "./curtain.js";
import { showMap, showPortrait, showSeen } from "./maps.js";
import { Boxes, voteOf } from "./number.js";
import { Paper } from "./paper.js";
import { Pages } from "./pages.js";
import { takePictures } from "./pictures.js";
import { Session } from "./session.js";
import { connectTools } from "./tools.js";
import { Trials } from "./trials.js";
import { Answer, Bars } from "./votes.js";

/**
 * @param {string} name
 * @returns {any}
 */
const byId = (name) => document.getElementById(name);

const paper = new Paper(byId("sheet"), byId("drawing"), byId("cursor"));
const bars = new Bars(byId("votes"));
const answer = new Answer(byId("answer"));
const boxes = new Boxes(byId("boxes"), paper);

let updates = 0;

/**
 * Move the bars, and tell those who wait for it.
 *
 * @param {import("./votes.js").Vote | null} vote
 * @param {string} [about] which digit, where there are several
 */
function showVotes(vote, about = "") {
  bars.show(vote);
  trials.tell(vote);
  byId("about").textContent = vote ? about : "tap one to see what it looks for";
  updates += 1;
  document.body.dataset.answered = `${updates}`;
  performance.clearMarks("bars");
  performance.mark("bars");
}

/** @param {number[][] | null} image */
function forgetReasons(image) {
  showSeen(byId("seen"), image);
  showMap(byId("ink-map"), image);
  byId("map-digit").textContent = "…";
}

/** @type {import("./client.js").NumberReading | null} the number that is shown */
let number = null;

/** @param {number} chosen */
function showOneOf(chosen) {
  if (!number) return;
  const { digits } = number;
  showVotes(voteOf(digits[chosen]), `on digit ${chosen + 1} of ${digits.length}`);
}

/**
 * @param {import("./client.js").Prediction} prediction
 * @returns {import("./client.js").Prediction | null} null where there is no ink
 */
const orBlank = (prediction) => (prediction.box?.[2] ? prediction : null);

/** @type {import("./session.js").View} */
const view = {
  showBlank() {
    number = null;
    boxes.show([], [], []);
    answer.note("");
    answer.showDigit(null, false);
    forgetReasons(null);
    correction.offer(null);
    chooseDetector(null);
    curtain.fall();
    showVotes(null);
  },
  showLive(prediction, several) {
    answer.note("");
    if (!several) answer.showDigit(orBlank(prediction), true);
    showSeen(byId("seen"), prediction.image ?? null);
    showVotes(orBlank(prediction), several ? "on the digit being drawn" : "");
  },
  showDigit(prediction) {
    const shown = orBlank(prediction);
    number = null;
    boxes.show([], [], []);
    answer.note("");
    answer.showDigit(shown, false);
    forgetReasons(prediction.image ?? null);
    correction.offer(paper.empty ? null : shown);
    showVotes(shown);
  },
  showNumber(reading, places, marks, chosen) {
    number = reading;
    boxes.show(reading.digits, places, marks);
    boxes.choose(chosen);
    answer.note("");
    answer.showNumber(reading);
    correction.offer(null);
    showOneOf(chosen);
  },
  showReasons(digit, { image, contributions }) {
    showSeen(byId("seen"), image ?? null);
    showMap(byId("ink-map"), image ?? null, contributions);
    byId("map-digit").textContent = `${digit}`;
  },
  showError(error) {
    answer.note(error.message);
  },
  showWaiting(waiting) {
    byId("answer").classList.toggle("waiting", waiting);
  },
};

/** @param {number | null} digit whose detector is shown, if any */
async function chooseDetector(digit) {
  bars.choose(digit);
  const figure = byId("wanted");
  figure.dataset.digit = `${digit}`;
  figure.hidden = digit === null;
  if (digit === null) return;
  byId("wanted-digit").textContent = `${digit}`;
  figure.ariaBusy = "true";
  showSeen(byId("portrait"), null);
  byId("portrait").scrollIntoView({ block: "nearest" });
  try {
    const effects = await client.portrait(digit);
    if (figure.dataset.digit !== `${digit}`) return;
    showPortrait(byId("portrait"), effects);
    figure.ariaBusy = "false";
  } catch (error) {
    answer.note(/** @type {Error} */ (error).message);
  }
}

const session = new Session(paper, view);
const curtain = new Curtain(byId("curtain"), byId("answer"));
const trials = new Trials(paper, session, curtain);
const correction = new Correction(byId("correct"), session);
const pages = new Pages(byId("pages"), paper);

bars.addEventListener("choose", (event) => {
  const digit = /** @type {CustomEvent<number | null>} */ (event).detail;
  session.explain(digit);
  chooseDetector(digit);
});

boxes.addEventListener("choose", (event) => {
  const chosen = /** @type {CustomEvent<number>} */ (event).detail;
  showOneOf(chosen);
  session.choose(chosen);
});

paper.addEventListener("change", () => {
  byId("hint").hidden = paper.drawing || !paper.empty;
  byId("sheet").classList.toggle("plain", paper.plain);
});
paper.addEventListener("pen", (event) => {
  const down = /** @type {CustomEvent<boolean>} */ (event).detail;
  answer.note(down ? "Pen down: the arrow keys draw, the space bar lifts it." : "");
});

/** @param {File} file */
async function putPicture(file) {
  view.showWaiting(true);
  try {
    await pages.open(file);
  } catch (error) {
    view.showWaiting(false);
    answer.note(/** @type {Error} */ (error).message);
  }
}

for (const part of document.querySelectorAll("[data-service]")) {
  /** @type {HTMLElement} */ (part).hidden = !client.SERVES;
}
connectTools(paper);
takePictures([byId("file"), byId("camera")], byId("drop"), putPicture);
view.showBlank();

const [service, models] = await Promise.allSettled([client.service(), client.models()]);
if (service.status === "fulfilled" && service.value.keeps) correction.allow();
if (models.status === "fulfilled") {
  const { version, dataset, samples, test_accuracy: accuracy } = models.value;
  const owner = dataset === "mnist" ? "MNIST’s" : dataset === "digits" ? "scikit-learn’s" : `${dataset}’s`;
  // Other people's hands and drawn forms are among the samples, too.
  const learnt = `learnt from ${Number(samples).toLocaleString("en")} digits, ${owner} among them`;
  const right = accuracy ? `; ${(100 * accuracy).toFixed(2)}\u00a0% of ${owner} test digits are read right` : "";
  byId("models").textContent = `The ten detectors: ${learnt}${right}. ovr-digits ${version}.`;
}
