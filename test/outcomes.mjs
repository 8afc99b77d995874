/**
 * What vitest's JSON report counts, "PASSED FAILED SKIPPED", then a line for each test that did not pass, with its reason.
 *
 * node test/outcomes.mjs REPORT TOLD: TOLD is what vitest printed. A file that runs again in a sandbox is one test of the
 * report; which of its own tests failed is only there.
 */

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const [report, told] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'));
const { testResults, numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(report);
const RUNS_AGAIN = '(its tests are told above)';

const firstLine = (text) => stripVTControlCharacters(text ?? '').split('\n')[0];

/** "FAIL  lab  test/a.lab.test.ts > it does", and the reason in the line below. */
const failures = [...stripVTControlCharacters(told).matchAll(/ FAIL .*? (\S+) > (.*)\n(.*)/g)]
  .map(([, file, name, reason]) => ({ file, name, reason }))
  .filter(({ name }) => !name.includes(RUNS_AGAIN));

const remarks = [];
let broken = 0;
for (const { name, status, message, assertionResults } of testResults) {
  const file = relative(process.cwd(), name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  const skipped = assertionResults.filter((test) => test.status !== 'passed' && test.status !== 'failed');
  for (const { fullName } of skipped) remarks.push(`skipped: ${file}: ${fullName}`);
  for (const { fullName, failureMessages } of failed) {
    remarks.push(`failed: ${file}: ${fullName}: ${firstLine(failureMessages[0])}`);
    if (!fullName.includes(RUNS_AGAIN)) continue;
    for (const inside of failures.filter((failure) => failure.file === file))
      remarks.push(`failed: ${file}: ${inside.name}: ${inside.reason}`);
  }
  // A file that cannot be loaded has no tests to count, and fails all the same.
  if (status !== 'failed' || failed.length > 0) continue;
  broken += 1;
  remarks.push(`failed: ${file}: ${firstLine(message)}`);
}
console.log([`${numPassedTests} ${numFailedTests + broken} ${numPendingTests + numTodoTests}`, ...remarks].join('\n'));
