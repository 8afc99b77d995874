/** The table of keywords that become no key of vipd.yaml, with what vipd does in their place (keepalived.conf(5)). */

import type { Fate } from './notes.js';

type Row = readonly [keywords: RegExp, section: Fate['section'], note: string];

const NOT_VRRP = 'vipd does not speak VRRP: authenticated unicast UDP, or nothing';
const ANNOUNCED = 'fixed: five announcements at once, five after a second, then every minute';
const MAIL = 'vipd sends no mail; a hook in hooks.d can';
const LVS = 'vipd balances no load; leave it to keepalived in a file without vrrp_instance, or to a proxy';
const HOST_NETWORK = "belongs to the host's own network configuration";
const VMAC = "the VIP is on the link itself, with the link's hardware address; each move is announced";
const BY_HOOK = 'set it in hooks.d/post-promote and take it back in hooks.d/post-demote';
const BY_CHECK = 'write a check that fails in its place';
const UNIT = 'the agent goes before other processes by itself; the rest belongs in a drop-in of vipd.service';

const ANYWHERE: readonly Row[] = [
  [/^(vrrp_)?(garp|gna)_|^vrrp_min_garp$/, 'always', ANNOUNCED],
  [/^smtp_|^notification_email|^no_email_faults$|^no_checker_emails$/, 'dropped', MAIL],
  [/^(vrrp_|lvs_)?notify_fifo/, 'dropped', 'hooks tell changes of roles; `vipctl history --json` has them all'],
  [/^(vrrp_)?notify_priority_changes$/, 'dropped', 'no priority ever changes'],
];

const TOP: readonly Row[] = [
  [/^global_defs$/, 'always', ''],
  [/^vrrp_instance$/, 'group', ''],
  [/^vrrp_sync_group$/, 'vip', 'all VIPs of a group move together'],
  [/^(virtual_server|virtual_server_group|SSL|real_server)$/, 'dropped', LVS],
  [/^static_|^track_group$/, 'dropped', HOST_NETWORK],
  [/^(vrrp_)?track_file$/, 'dropped', BY_CHECK],
  [/^bfd_instance$/, 'dropped', 'heartbeats over every path, each 100ms, take its place'],
  [/^garp_group$/, 'always', ANNOUNCED],
  [
    /^interface_up_down_delays$/,
    'dropped',
    'a link that is down is a failure at once; moves.max_failovers stops flapping',
  ],
  [/^linkbeat_/, 'dropped', 'links are watched by netlink'],
  [/^net_namespace/, 'dropped', 'start the agent in the namespace: NetworkNamespacePath= in a drop-in of vipd.service'],
  [/^(instance|use_pid_dir|child_wait_time)$/, 'dropped', 'several agents on a host are vipd@GROUP.service'],
];

const GLOBAL: readonly Row[] = [
  [/^router_id$/, 'always', 'the names under nodes tell the hosts apart'],
  [/^enable_script_security$/, 'always', 'programs that others than root can write are refused'],
  [/^script_user$/, 'checks', 'written to each check as user; hooks run as the agent'],
  [/^default_interface$/, 'vip', ''],
  [/^vrrp_startup_delay$/, 'always', 'an agent first listens, and needs votes before it acts'],
  [/^dynamic_interfaces$/, 'always', "a VIP's link may come later; the node is not fit until then"],
  [/^(vrrp|checker|bfd)_(priority|no_swap|cpu_affinity|rt_priority|rlimit_rttime)$|_auto_priority/, 'dropped', UNIT],
  [/process_name/, 'dropped', UNIT],
  [/^(startup|shutdown)_script/, 'dropped', 'ExecStartPre= and ExecStopPost= in a drop-in of vipd.service'],
  [/^(lvs_|checker_|rs_init_)/, 'dropped', LVS],
  [/^(enable_snmp|enable_traps|snmp_|enable_dbus|dbus_)/, 'dropped', '`vipctl status --json` is for programs'],
  [/^(vrrp_iptables|vrrp_ipsets|nftables)/, 'always', 'vipd keeps a table of its own in nftables: the guard'],
  [/^vrrp_/, 'always', NOT_VRRP],
  [
    /^(reload_|config_save_dir|tmp_config|data_use_instance|umask|random_seed|include_check)/,
    'dropped',
    'no counterpart',
  ],
];

const INSTANCE: readonly Row[] = [
  [/^state$/, 'nodes', 'the nodes elect; both have the same file'],
  [/^interface$/, 'vip', ''],
  [/^virtual_router_id$/, 'group', 'the group and its key tell pairs apart'],
  [/^nopreempt$/, 'always', 'always so: vipd never moves the VIP back by itself'],
  [/^preempt$/, 'dropped', 'vipd never moves the VIP back by itself; type `vipctl switchover`'],
  [/^preempt_delay$/, 'dropped', 'there is no preemption to delay'],
  [/^authentication$/, 'key_file', 'a key of at least 32 bytes signs every frame; auth_pass is not taken over'],
  [/^(auth_type|auth_pass)$/, 'key_file', ''],
  [/^unicast_peer$/, 'nodes', ''],
  [/^(virtual_ipaddress|virtual_ipaddress_excluded)$/, 'vip', ''],
  [/^promote_secondaries$/, 'always', 'vipd switches it on for the links of VIPs'],
  [/^accept$/, 'always', 'always so'],
  [/^no_accept$/, 'dropped', 'clients reach the database by the VIP, so it accepts packets'],
  [/^(use_vmac|use_vmac_addr|vmac_xmit_base|use_ipvlan)$/, 'dropped', VMAC],
  [/^dont_track_primary$/, 'dropped', "the VIPs' links are always watched: one that is down is a failure"],
  [/^track_src_ip$/, 'dropped', 'an address that is gone shows as a silent peer'],
  [/^(virtual_routes|virtual_rules)$/, 'dropped', BY_HOOK],
  [/^(track_file|track_bfd)$/, 'dropped', BY_CHECK],
  [/^vrf$/, 'dropped', 'no counterpart'],
  [/^linkbeat_use_polling$/, 'dropped', 'links are watched by netlink'],
  [/^(notify_deleted|notify_master_rx_lower_pri)$/, 'dropped', 'no phase of hooks fits'],
  [/^(global_tracking|sync_group_tracking_weight)$/, 'dropped', 'no weights: a node is healthy or it is not'],
  [/^(track_script|track_process|track_interface)$/, 'checks', ''],
  [/^group$/, 'vip', ''],
  [
    /^(version|mcast_|unicast_|check_unicast|old_unicast|skip_check|strict_mode|lower_prio|higher_prio|kernel_rx|debug|native_ipv6)/,
    'always',
    NOT_VRRP,
  ],
];

const WITHIN: Readonly<Record<string, readonly Row[]>> = {
  top: TOP,
  global_defs: GLOBAL,
  vrrp_instance: INSTANCE,
  vrrp_sync_group: INSTANCE,
};

/** `within` is the keyword of the block around it, or `top`. Null: not in the table. */
export const fateOf = (within: string, keyword: string): Fate | null => {
  const rows = Object.hasOwn(WITHIN, within) ? WITHIN[within] : undefined;
  if (rows === undefined) return null;
  const row = [...ANYWHERE, ...rows].find(([keywords]) => keywords.test(keyword));
  return row === undefined ? null : { section: row[1], note: row[2] };
};
