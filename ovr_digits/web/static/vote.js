/** What ten scores say together: the same as core/vote.py. */

/**
 * @typedef {Pick<import("./client.js").Prediction,
 *   "digit" | "confidence" | "verdict" | "fired" | "votes" | "scores">} Answer
 */

/**
 * @param {number[]} scores
 * @returns {Answer}
 */
export function voteOn(scores) {
  const digit = scores.indexOf(Math.max(...scores));
  const votes = scores.map((score) => 1 / (1 + Math.exp(-score)));
  const fired = scores.flatMap((score, detector) => (score > 0 ? [detector] : []));
  const verdict = fired.length === 1 ? "sure" : fired.length ? "conflict" : "none";
  return { digit, confidence: votes[digit], verdict, fired, votes, scores };
}
