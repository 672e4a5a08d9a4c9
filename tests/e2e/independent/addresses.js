// IP addresses as bytes and text, and which of them may be dialled (PEER_LINK.md, 3).
'use strict';
const net = require('node:net');
const os = require('node:os');
const { Malformed } = require('./bytes');

function toText(bytes) {
  if (bytes.length === 4) return [...bytes].join('.');
  if (bytes.length !== 16) throw new Malformed('address');
  const groups = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  const text = groups.join(':');
  if (listOf(['::ffff:0:0', 96]).check(text, 'ipv6')) throw new Malformed('an IPv4 address in another spelling');
  return text;
}

const familyOf = (text) => (net.isIPv6(text) ? 'ipv6' : 'ipv4');

function listOf(...subnets) {
  const list = new net.BlockList();
  for (const [address, bits] of subnets) list.addSubnet(address, bits, familyOf(address));
  return list;
}

const LOOPBACK = listOf(['127.0.0.0', 8], ['::1', 128]);
const NEVER = listOf(['0.0.0.0', 8], ['224.0.0.0', 4], ['240.0.0.0', 4], ['169.254.0.0', 16],
  ['::', 96], ['ff00::', 8], ['fe80::', 10]);
const PRIVATE = listOf(['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['fc00::', 7]);

const isIn = (list, text) => list.check(text, familyOf(text));

function ownNetworks() {
  const all = Object.values(os.networkInterfaces()).flat().filter((i) => i.cidr && !i.internal);
  return listOf(...all.map((i) => [i.address, Number(i.cidr.split('/')[1])]));
}

// {observed, candidates} of the target, `own` observed address: [{host, port}, …] that may be dialled.
function dialPlan(target, own) {
  const networks = ownNetworks();
  const both = isIn(LOOPBACK, target.observed) && isIn(LOOPBACK, own);
  const allowed = (host, isCandidate) => {
    if (isIn(LOOPBACK, host)) return both && !isCandidate;
    if (isIn(NEVER, host)) return false;
    if (isCandidate) return isIn(PRIVATE, host) && isIn(networks, host);
    return !isIn(PRIVATE, host) || isIn(networks, host) || isIn(PRIVATE, own);
  };
  const plan = target.port >= 1024 && allowed(target.observed, false) ? [{ host: target.observed, port: target.port }] : [];
  for (const { host, port } of target.candidates) if (port >= 1024 && allowed(host, true)) plan.push({ host, port });
  return plan;
}

module.exports = { toText, dialPlan };
