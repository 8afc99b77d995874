/** Checks of a server's replication channel: where from, how, how soon it notices, and whether it runs into errors. */

import { type ChannelSettings, readChannelSettings } from '../mysql/channel-settings.js';
import { type Flavour, number, text } from '../mysql/flavour.js';
import type { Link } from '../mysql/links.js';
import { ASK_MS, type ServerSubject } from './database-subject.js';
import { type Finding, fault, ok, warning } from './finding.js';

/** The manuals' defaults are 60 s and half of slave_net_timeout; vipd asks for 1 s each. */
const MAX_CONNECT_RETRY_S = 10;
/** Half of the slave_net_timeout that vipd asks for: beyond that an idle source would be taken for a dead one. */
const MAX_HEARTBEAT_S = 2;
/** MySQL 8.4 and later give up after ten attempts. */
const MIN_RETRY_COUNT = 1_000;

const SETUP = '"vipctl replication setup"';

export const checkChannel = async (link: Link, subject: ServerSubject): Promise<readonly Finding[]> => {
  const { where, source } = subject;
  const tried = `looked at the replication channel of ${where}`;
  const ask = (sql: string) => link.session.query(sql, ASK_MS);
  const channel = await readChannelSettings(ask, link.flavour.name);
  if (channel === null) {
    const remedy = `${SETUP}, or by hand: ${link.flavour.configureChannel} …`;
    return [fault('replication', tried, 'none is configured', remedy)];
  }
  const [own] = await ask('SELECT @@global.server_id AS id');
  const found = [
    ...checkSource(channel, source, tried),
    ...checkWay(channel, link.flavour, tried),
    ...checkPatience(channel, link.flavour, tried),
    ...(channel.sourceServerId !== 0 && channel.sourceServerId === number(own, 'id')
      ? [sameServerId(channel.sourceServerId, tried)]
      : []),
    ...(channel.error === ''
      ? []
      : [fault('replication', tried, channel.error, '"vipctl replication repair" says what can be done')]),
    ...(await checkDomains(link, tried)),
  ];
  return found.length > 0 ? found : [ok('replication', tried, `from ${channel.host}, with GTIDs`)];
};

const sameServerId = (id: number, tried: string): Finding =>
  fault(
    'server-id',
    tried,
    `both servers have server_id ${id}`,
    'write a server_id of its own into my.cnf on one node, and restart that server',
  );

const checkSource = (
  { host, filters }: ChannelSettings,
  source: ServerSubject['source'],
  tried: string,
): readonly Finding[] => [
  ...(/^[\d.:a-f]+$/i.test(host) && host !== source.address
    ? [
        warning(
          'replication-source',
          tried,
          `it comes from ${host}, and ${source.name} is ${source.address}`,
          'see that this is the same server',
        ),
      ]
    : []),
  ...(filters
    ? [
        fault(
          'replication-filters',
          tried,
          'it leaves out a part of the data, so this node will not be promoted',
          'take the replicate_* filters out of my.cnf and off the channel',
        ),
      ]
    : []),
];

const checkWay = ({ gtids, tls }: ChannelSettings, flavour: Flavour, tried: string): readonly Finding[] => [
  ...(gtids ? [] : [fault('replication-gtid', tried, 'it does not use GTIDs', changeTo(flavour, USE_GTIDS))]),
  ...(flavour.name === 'mysql' && !tls
    ? [
        fault(
          'replication-tls',
          tried,
          'it does not use TLS: after a restart of its source the login fails with error 2061 (caching_sha2_password)',
          changeTo(flavour, { mysql: 'SOURCE_SSL = 1', mariadb: '' }),
        ),
      ]
    : []),
];

const checkPatience = (channel: ChannelSettings, flavour: Flavour, tried: string): readonly Finding[] => {
  const { connectRetryS, heartbeatS, retryCount } = channel;
  const slow = (found: string, words: Words): Finding =>
    warning('replication-timeout', tried, found, changeTo(flavour, words));
  return [
    ...(connectRetryS > MAX_CONNECT_RETRY_S
      ? [
          slow(`it tries again after ${connectRetryS} s only`, {
            mariadb: 'MASTER_CONNECT_RETRY = 1',
            mysql: 'SOURCE_CONNECT_RETRY = 1',
          }),
        ]
      : []),
    ...(heartbeatS !== null && (heartbeatS === 0 || heartbeatS > MAX_HEARTBEAT_S)
      ? [
          slow(
            `its heartbeat period is ${heartbeatS} s: with slave_net_timeout = 4 an idle source is taken for a dead one`,
            {
              mariadb: 'MASTER_HEARTBEAT_PERIOD = 1',
              mysql: 'SOURCE_HEARTBEAT_PERIOD = 1',
            },
          ),
        ]
      : []),
    ...(retryCount !== null && retryCount > 0 && retryCount < MIN_RETRY_COUNT
      ? [
          slow(`it gives up after ${retryCount} attempts`, {
            mariadb: 'MASTER_RETRY_COUNT = 86400',
            mysql: 'SOURCE_RETRY_COUNT = 86400',
          }),
        ]
      : []),
  ];
};

type Words = Readonly<Record<Flavour['name'], string>>;
const USE_GTIDS: Words = { mariadb: 'MASTER_USE_GTID = slave_pos', mysql: 'SOURCE_AUTO_POSITION = 1' };

const changeTo = ({ name, configureChannel, stopReplica, startReplica }: Flavour, words: Words): string =>
  `${SETUP}, or by hand: ${stopReplica}; ${configureChannel} ${words[name]}; ${startReplica}`;

/** MariaDB: positions of several domains are in no order to each other, and a strict one is compared by its last. */
const checkDomains = async ({ session, flavour }: Link, tried: string): Promise<readonly Finding[]> => {
  if (flavour.name !== 'mariadb') return [];
  const [row] = await session.query('SELECT @@global.gtid_binlog_state AS state', ASK_MS);
  const domains = new Set([...text(row, 'state').matchAll(/(\d+)-\d+-\d+/g)].map(([, domain]) => domain));
  if (domains.size < 2) return [];
  const found = `its binary log has GTIDs of the domains ${[...domains].join(', ')}; vipd counts on one`;
  return [warning('gtid-domains', tried, found, 'write the same gtid_domain_id into my.cnf on both nodes')];
};
