/**
 * The layouts of the `netlink` package that are used here. By their own files: the package as a whole loads its native
 * addon and those of Wi-Fi and WireGuard as well, which costs the start a tenth of its time and memory for good.
 */

export { Flags, FlagsGet, FlagsNew, MessageType, Protocol } from 'netlink/dist/constants.js';
export * as rt from 'netlink/dist/rt/structs.js';
export { AttrStream, formatMessage, type NetlinkMessage, parseError, parseMessages } from 'netlink/dist/structs.js';
