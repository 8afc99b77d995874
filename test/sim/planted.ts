/** Faults planted in a copy of the compiled core, one at a time: each must be found, or the simulator proves nothing. */

import { type PlantedFault, patch } from './plant.js';

export const PLANTED: readonly PlantedFault[] = [
  {
    name: 'renewal counted from receipt instead of sending',
    rule: 'Owner 1',
    patches: [
      patch('lease.js', 'acked.sentAt + countedLease(config.leaseMs)', 'turn.now + countedLease(config.leaseMs)'),
    ],
  },
  {
    name: 'lease of a new term counted from the last vote',
    rule: 'Owner 1',
    patches: [patch('election.js', 'election.voteSentAt + countedLease', 'turn.now + countedLease')],
  },
  {
    name: 'drift of the clocks left out',
    rule: 'Owner 1',
    patches: [patch('timing.js', 'leaseMs * (1 - CLOCK_DRIFT)', 'leaseMs')],
  },
  {
    name: 'vote answered before it is on disk',
    rule: 'Voter 1',
    patches: [
      patch(
        'voter.js',
        'return saveThen(grant(voter, from, vote.term, vote.leaseMs, now), {}, from, answer, otherwise);',
        `const granted = grant(voter, from, vote.term, vote.leaseMs, now);
         if (from === voter.name) return saveThen(granted, {}, from, answer, otherwise);
         const saved = save(granted);
         return { voter: saved.voter, effects: [...saved.effects, send(from, answer)] };`,
      ),
    ],
  },
  {
    name: 'own vote used before it is on disk',
    from: 4_991,
    rule: 'Voter 1',
    // Not in a pair without a witness: the judge of its evidence looks for the peer's vote in the step before, and finds none.
    patches: [
      patch(
        'election.js',
        "vote(turn, onVote(s.voter, config.self, { kind: 'vote?', ...claim(s, election.term) }, now));",
        `const verdict = judge(s.voter, config.self, claim(s, election.term), now);
         vote(turn, onVote(s.voter, config.self, { kind: 'vote?', ...claim(s, election.term) }, now));
         if (!isPairAlone(s)) onOwnVote(turn, verdict);`,
      ),
    ],
  },
  {
    name: 'mute after a restart left out',
    from: 459,
    rule: 'Voter 4',
    patches: [
      patch(
        'voter.js',
        'muteUntil: options.record ? now + keptLease(options.record.maxLeaseMs) : now',
        'muteUntil: now',
      ),
    ],
  },
  {
    name: 'restart forgets the highest term',
    rule: 'Voter 1',
    patches: [
      patch(
        'voter.js',
        '    ...options,\n',
        '    ...options, record: options.record && { ...options.record, maxTerm: options.record.servedTerm },\n',
      ),
    ],
  },
  {
    name: 'voter that lost its record guesses an empty one',
    from: 312,
    rule: 'Voter 5',
    patches: [patch('voter.js', '    ...options,\n', '    ...options, record: options.record ?? emptyRecord(),\n')],
  },
  {
    name: 'two votes in one term',
    rule: 'Voter 2',
    patches: [patch('voter.js', 'asked.term <= record.maxTerm', 'asked.term < record.maxTerm')],
  },
  {
    name: 'promise not kept while another asks',
    rule: 'Voter 2',
    patches: [patch('voter.js', 'if (now < voter.promiseUntil)', 'if (now < voter.startedAt)')],
  },
  {
    name: 'voter keeps half of the promise that it acknowledged',
    rule: 'Voter 3',
    patches: [
      patch(
        'voter.js',
        'heard.voter.promiseUntil, now + beat.leaseMs',
        "heard.voter.promiseUntil, now + beat.leaseMs / (voter.name === 'w1' ? 2 : 1)",
      ),
    ],
  },
  {
    name: 'acknowledgement of another length of lease accepted',
    rule: 'Owner 1',
    patches: [patch('lease.js', ' || ack.leaseMs !== config.promiseMs', '')],
  },
  {
    name: 'refused poll raises the term',
    rule: 'Voter 6',
    patches: [
      patch(
        'voter.js',
        'export const onPoll = (voter, from, poll, now) => ({\n    voter,',
        `export const onPoll = (voter, from, poll, now) => ({
    voter: voter.record ? { ...voter, record: { ...voter.record, maxTerm: Math.max(voter.record.maxTerm, poll.term) } } : voter,`,
      ),
    ],
  },
  {
    name: 'refused vote raises the term',
    rule: 'Voter 6',
    patches: [
      patch(
        'voter.js',
        'if (!verdict.granted)\n        return { voter, effects: [send(from, answer)] };',
        `if (!verdict.granted) {
        const maxTerm = Math.max(voter.record?.maxTerm ?? 0, vote.term);
        return { voter: voter.record ? { ...voter, record: { ...voter.record, maxTerm } } : voter, effects: [send(from, answer)] };
    }`,
      ),
    ],
  },
  {
    name: 'BEAT of an older term adopted',
    rule: 'Voter 3',
    patches: [patch('voter.js', '!beat.owner || !record || beat.term < record.maxTerm', '!beat.owner || !record')],
  },
  {
    name: 'lease not compared at each wake-up',
    rule: 'Owner 3',
    patches: [patch('step.js', '    checkLease(turn);\n', '')],
  },
  {
    name: 'fencing leaves the VIP on',
    rule: 'Fencing 1',
    patches: [patch('fencing.js', 'const vipOffId = vipOff(turn);', 'const vipOffId = null;')],
  },
  {
    name: 'RELEASE before the VIP is off',
    rule: 'Fencing 3',
    patches: [patch('fencing.js', 'if (!fencing || fencing.vipOffId !== null)', 'if (!fencing)')],
  },
  {
    name: 'term that serves not recorded',
    rule: 'Owner 2',
    patches: [
      patch('voter.js', 'holder: from, servedTerm: served.term', 'holder: from, servedTerm: record.servedTerm'),
    ],
  },
  {
    name: 'data not compared with the term that served',
    rule: 'Voter 2',
    patches: [patch('voter.js', 'if (asked.dataTerm < record.servedTerm)', 'if (asked.dataTerm < 0)')],
  },
  {
    name: 'semi-sync off before that is recorded',
    rule: 'mysql.md, semi-sync',
    patches: [
      patch(
        'active.js',
        'if (owner.sync && (!wanted || !inForce || shared))',
        'if (owner.sync && !wanted && inForce) return switchSemiSync(turn, false);\n    if (owner.sync && (!inForce || shared))',
      ),
    ],
  },
  {
    name: 'promotes without applying what was received',
    from: 243,
    rule: 'mysql.md, Promotion 3',
    patches: [patch('promotion.js', "name: 'database-catch-up'", "name: 'database-preflight'")],
  },
  {
    name: 'loss not weighed',
    from: 295,
    rule: 'mysql.md, Promotion 4',
    patches: [patch('promotion.js', '|| lossMs <= config.maxLossMs', '|| lossMs >= 0')],
  },
  {
    name: 'salvage left out',
    by: 'crash-lost-writes',
    rule: 'mysql.md, Promotion 3b',
    patches: [patch('promotion.js', 'if (worthSalvaging(turn))', 'if (false)')],
  },
  {
    name: 'nothing taken to be missing without a salvage',
    by: 'crash-lost-writes',
    rule: 'mysql.md, Promotion 3b',
    patches: [
      patch(
        'promotion.js',
        'if (worthSalvaging(turn))\n        return startSalvage(turn, position);',
        "if (worthSalvaging(turn))\n        return onSalvaged(turn, turn.s.promotion, { ok: true, detail: '' });",
      ),
    ],
  },
  {
    name: 'address promise as short as the lease',
    rule: 'The guard (guard: address)',
    patches: [patch('timing.js', 'keptLease(addressLifetimeSeconds(leaseMs) * 1_000 + ADDRESS_LATE_MS)', '0')],
  },
  {
    name: 'silence taken for death without evidence',
    rule: 'Two nodes without a witness',
    patches: [
      patch(
        'evidence.js',
        "if (evidence.verdict === 'peer-dead' && now - evidence.at < config.leaseMs)\n        return false;",
        "set(turn, { evidence: { ...evidence, verdict: 'peer-dead', at: now } });\n    return false;",
      ),
    ],
  },
  {
    name: 'gateways that are silent not heeded by a standby',
    rule: 'Two nodes without a witness',
    patches: [
      patch('evidence.js', "if (found.gateways === 'silent')", "if (found.gateways === 'silent' && turn.s.owner)"),
    ],
  },
  {
    name: 'gateways that are silent renew the lease',
    rule: 'Two nodes without a witness',
    patches: [
      patch('evidence.js', "if (found.gateways === 'silent')", "if (found.gateways === 'silent' && !turn.s.owner)"),
      patch('evidence.js', "return found.gateways === 'answer' ?", 'return true ?'),
    ],
  },
  {
    name: "peer's database that refuses to be read-only taken for dead",
    rule: 'Two nodes without a witness',
    patches: [patch('evidence.js', "if (peerDatabase === 'refuses')", 'if (false)')],
  },
  {
    name: 'active made read-only by another hand keeps the VIP',
    rule: 'Two nodes without a witness',
    patches: [patch('active.js', 'if (readOnly && isPairAlone(s))', 'if (false)')],
  },
  {
    name: 'one term for both nodes of a split pair',
    from: 3_336,
    rule: 'term: no term has two owners',
    patches: [patch('election.js', 'return !isPairAlone(s) || isOurs ? known + 1 : known + 2;', 'return known + 1;')],
  },
  {
    name: 'standby VIP counted from receipt of the grant',
    from: 325,
    rule: 'The standby VIP',
    patches: [
      patch('standby-vip.js', 'asked.sentAt + countedLease(config.leaseMs)', 'turn.now + countedLease(config.leaseMs)'),
    ],
  },
  {
    name: 'owner takes the standby VIP before its grant ran out',
    rule: 'The standby VIP',
    patches: [patch('standby-vip.js', '|| now < v.peerMayHaveUntil', '')],
  },
  {
    name: 'standby VIP granted by an owner that has it',
    from: 1_029,
    rule: 'The standby VIP',
    patches: [
      patch(
        'standby-vip.js',
        'if (mayPassStandbyVip(turn.s, turn.now))\n        return;\n    const until',
        'const until',
      ),
    ],
  },
  {
    name: 'standby VIP given back before it is off',
    rule: 'The standby VIP',
    patches: [
      patch(
        'standby-vip.js',
        "s.standbyVip?.phase === 'asking' || mayPassStandbyVip(s, now)",
        "s.standbyVip?.phase !== 'off' && s.standbyVip?.phase !== 'dropping'",
      ),
    ],
  },
  {
    name: 'grant heeded after the standby VIP was given back',
    from: 331,
    rule: 'The standby VIP',
    patches: [
      patch('standby-vip.js', 'if (!asked)\n        return;', ''),
      patch(
        'standby-vip.js',
        'asked.sentAt + countedLease(config.leaseMs)',
        '(asked?.sentAt ?? turn.now) + countedLease(config.leaseMs)',
      ),
      patch('standby-vip.js', 'beat >= asked.beat', 'beat >= grant.beat'),
      patch('standby-vip.js', 'Math.max(v.granted, asked.beat)', 'Math.max(v.granted, grant.beat)'),
      patch('standby-vip.js', "(v.phase !== 'asking' && !isOn(v))", "v.phase === 'dropping'"),
      patch('standby-vip.js', "if (v.phase === 'asking')\n        take(turn, `", 'if (!isOn(v))\n        take(turn, `'),
    ],
  },
  {
    name: 'VIP given back to the node of the higher priority',
    by: 'displaced',
    rule: 'product.md, no preemption',
    patches: [
      patch(
        'active.js',
        "if (judged.health !== 'failed' && !readOnly)\n        return;",
        `const preferred = !s.handoff && s.config.peerPriority > s.config.priority;
    if (judged.health !== 'failed' && !readOnly && !(preferred && whyKept(turn) === ''))
        return;`,
      ),
    ],
  },
  {
    name: 'database that could not be fenced not fenced again',
    from: 1_392,
    by: 'fence-does-not-end',
    rule: 'Fencing 2',
    patches: [
      patch('fencing.js', 'databaseRetryAt: turn.now + STEP_RETRY_MS', 'databaseRetryAt: Number.POSITIVE_INFINITY'),
    ],
  },
  {
    name: 'no election after one that was lost',
    by: 'no-active',
    rule: 'Standby 2',
    patches: [
      patch(
        'election.js',
        'election: null, retryAt: turn.now + waitMs',
        'election: null, retryAt: Number.POSITIVE_INFINITY',
      ),
    ],
  },
  {
    name: 'guard refreshed from a stale clock',
    rule: 'The guard',
    patches: [],
    guardFault: 'stale-clock',
    from: 1_755,
  },
];
