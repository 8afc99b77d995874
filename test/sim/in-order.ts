/** Gives tasks to several players and takes their answers in the tasks' order: what is told does not depend on their number. */

/** `next` answers null when there are no more; it is asked whenever a player is free. `take` hears the answers in order. */
export const playInOrder = async <Task, Answer>(
  players: readonly { readonly play: (task: Task) => Promise<Answer> }[],
  next: () => Task | null,
  take: (answer: Answer) => void,
): Promise<void> => {
  const early = new Map<number, Answer>();
  let given = 0;
  let taken = 0;
  const work = async ({ play }: { readonly play: (task: Task) => Promise<Answer> }): Promise<void> => {
    for (let task = next(); task !== null; task = next()) {
      const order = given;
      given += 1;
      early.set(order, await play(task));
      for (let ready = early.get(taken); ready !== undefined; ready = early.get(taken)) {
        early.delete(taken);
        taken += 1;
        take(ready);
      }
    }
  };
  await Promise.all(players.map(work));
};
