/** What is wrong with the standby VIP, where one is configured. */

import type { Problem } from './problem.js';
import type { Status } from './status.js';

export const standbyVipProblems = (status: Status): readonly Problem[] => {
  const { standbyVip, node, active } = status;
  if (standbyVip === null) return [];
  const { holder, why, guard, vips } = standbyVip;
  const problems: Problem[] = guard
    .filter((layer) => !layer.armed)
    .map(({ name, detail }) => ({
      severity: 'warning',
      brief: `guard ${name} of the standby VIP not armed`,
      text: `the guard's layer "${name}" of the standby VIP is not armed on ${node}${detail === '' ? '' : `: ${detail}`}`,
      next: 'see "journalctl -u vipd"',
    }));
  for (const vip of vips.filter(({ present }) => holder === node && !present)) {
    const text = `${node} has the standby VIP, but ${vip.address} on ${vip.interface} is not there: ${vip.error}`;
    problems.push({
      severity: 'warning',
      brief: 'standby VIP missing',
      text,
      next: `"ip address show dev ${vip.interface}"`,
    });
  }
  if (holder === null && active !== null)
    problems.push({
      severity: 'warning',
      brief: 'nobody has the standby VIP',
      text: `nobody has the standby VIP: ${why}`,
      next: '',
    });
  if (holder !== null && holder === active)
    problems.push({
      severity: 'note',
      brief: 'standby VIP on the active',
      text: `the standby VIP is on the active: ${why}`,
      next: '',
    });
  return problems;
};
