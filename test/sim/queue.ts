/** What is to happen, by time: a binary heap, in which equal times keep the order they were asked for. */

export interface Queue {
  readonly push: (at: number, run: () => void) => void;
  /** The earliest, taken out; undefined: nothing is left. */
  readonly pop: () => Due | undefined;
  readonly size: () => number;
}

export interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export const createQueue = (): Queue => {
  const heap: Due[] = [];
  let order = 0;

  const push = (at: number, run: () => void): void => {
    order += 1;
    const item = { at, order, run };
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (!parent || isBefore(parent, item)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = item;
  };

  const pop = (): Due | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    sink(last);
    return first;
  };

  const sink = (item: Due): void => {
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = heap[below];
      if (!child) break;
      const right = heap[below + 1];
      if (right && isBefore(right, child)) {
        child = right;
        below += 1;
      }
      if (!isBefore(child, item)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = item;
  };

  return { push, pop, size: () => heap.length };
};
