/** Things one after the other in any order, none again before all have come. */

/**
 * @template Item
 * @param {Item[]} items
 * @returns {() => Item} gives all of them in any order, and then once more
 */
export function shuffled(items) {
  /** @type {Item[]} */
  let left = [];
  return () => {
    if (!left.length) left = [...items];
    return left.splice(Math.floor(Math.random() * left.length), 1)[0];
  };
}
