/** Carries out what was planned, step by step; a step that fails leaves those before it done, and is done again next time. */

import type { Session } from './connection.js';
import { asDatabaseError, DatabaseError } from './errors.js';
import type { SetupStep } from './setup-plan.js';
import type { SetupWords, Statement } from './setup-words.js';

/** `secrets` are struck out of whatever a server answers. @throws DatabaseError */
export const carryOutSteps = async (
  session: Session,
  words: SetupWords,
  steps: readonly SetupStep[],
  secrets: readonly string[],
  say: (text: string) => void,
): Promise<void> => {
  const run = (statement: Statement): Promise<void> => runHidden(session, statement, secrets);
  const opening = steps.some(({ writes }) => writes) ? words.openForAdmin : undefined;
  if (opening !== undefined) await run(opening.open);
  try {
    for (const { text, statements } of steps) {
      say(text);
      for (const statement of statements) await run(statement);
    }
  } finally {
    if (opening !== undefined) await run(opening.shut);
  }
};

/** A server quotes the statement that it does not like. */
const runHidden = async (
  session: Session,
  { sql, shown, deadlineMs }: Statement,
  secrets: readonly string[],
): Promise<void> => {
  try {
    await session.query(sql, deadlineMs, shown);
  } catch (error) {
    const { kind, errno, message } = asDatabaseError(error, shown);
    const hidden = secrets
      .filter((secret) => secret !== '')
      .reduce((text, secret) => text.replaceAll(secret, '…'), message);
    throw new DatabaseError(kind, errno, hidden);
  }
};
