/**
 * Addresses as the server's options spell them: the members of a cluster by id, those that a node
 * joins by, and a client port that is bound to loopback unless somebody says otherwise. Text to
 * values only.
 */

import { type Address, parseAddress, printAddress, type ValueRule } from '../cli/value-rules.js';

export interface Member {
  readonly id: number;
  readonly address: Address;
}

const LOOPBACK = '127.0.0.1';
const ID_MAX = 0xffff_ffff;

function parseMember(text: string, position: number): Member | undefined {
  const equals = text.indexOf('=');
  const address = parseAddress(text.slice(equals + 1));
  const id = equals < 0 ? position : Number(text.slice(0, equals));
  const named = equals < 0 || /^[1-9]\d{0,9}$/.test(text.slice(0, equals));
  return address === undefined || !named || id > ID_MAX ? undefined : { id, address };
}

/** `a,b,c`: ids are positions from 1; or `1=a,2=b`. Never a mixture. */
export function members(example: string): ValueRule<readonly Member[]> {
  return {
    placeholder: 'HOST:PORT,…',
    expects:
      'every member’s address, this node’s included, in the order of their ids, or ' +
      'ID=HOST:PORT for each, none twice',
    example,
    parse: (given) => {
      const parts = given.split(',').map((part) => part.trim());
      const named = parts.filter((part) => part.includes('=')).length;
      if (named !== 0 && named !== parts.length) return undefined;
      const list = parts.map((part, at) => parseMember(part, at + 1));
      const valid = list.filter((member) => member !== undefined);
      const ids = new Set(valid.map(({ id }) => id));
      const addresses = new Set(valid.map(({ address }) => printAddress(address)));
      const whole = valid.length === parts.length && ids.size === parts.length;
      return whole && addresses.size === parts.length ? valid : undefined;
    },
    print: (list) => list.map(({ id, address }) => `${id}=${printAddress(address)}`).join(','),
  };
}

/** `a,b`: addresses of some members, for a node that is none yet. */
export function joinAddresses(example: string): ValueRule<readonly Address[]> {
  return {
    placeholder: 'HOST:PORT[,…]',
    expects: 'addresses for peers of one or more members of a cluster',
    example,
    parse: (given) => {
      const list = given.split(',').map((part) => parseAddress(part.trim()));
      const valid = list.filter((each) => each !== undefined);
      return valid.length === list.length ? valid : undefined;
    },
    print: (list) => list.map(printAddress).join(','),
  };
}

/** `5101`, which is bound to loopback, or `HOST:PORT`. */
export function clientAddress(example: string): ValueRule<Address> {
  return {
    placeholder: '[HOST:]PORT',
    expects: 'a port from 1 to 65535, bound to 127.0.0.1, or a host and a port',
    example,
    parse: (given) => parseAddress(/^\d+$/.test(given) ? `${LOOPBACK}:${given}` : given),
    print: printAddress,
  };
}
