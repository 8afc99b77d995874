/** How an agent leaves: the VIPs first, and nothing before them that could wait or fail. */

export interface Leaving {
  /** Asks the kernel before it returns its promises. */
  readonly vipsOff: () => readonly Promise<unknown>[];
  /** What is stopped at once. */
  readonly stop: readonly (() => void)[];
  /** What is closed, and waited for. */
  readonly close: readonly (() => Promise<unknown> | undefined)[];
  readonly gone: () => void;
}

export const leave = ({ vipsOff, stop, close, gone }: Leaving): void => {
  const off = vipsOff();
  for (const one of stop) one();
  void Promise.allSettled([...off, ...close.map((one) => one())]).then(gone);
};
