/**
 * The part of Amazon's EC2 query API that a hook calls: AssignPrivateIpAddresses, over HTTP, with Signature Version 4 checked
 * as the service checks it, and its errors (EC2 API Reference; IAM User Guide, "Signature Version 4").
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Ec2Options {
  readonly port: number;
  readonly region: string;
  /** Secret access keys by access key, each with what its policy allows. */
  readonly keys: Readonly<Record<string, { readonly secret: string; readonly allowed: boolean }>>;
  readonly interfaces: readonly string[];
}

export interface Ec2 {
  /** Interface by secondary private address. */
  readonly assigned: ReadonlyMap<string, string>;
  /** Called with each request's body before it is answered. */
  onRequest: (body: string) => void;
  close(): void;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

export const startEc2 = async (options: Ec2Options): Promise<Ec2> => {
  const assigned = new Map<string, string>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      ec2.onRequest(body);
      const answer = refusal(options, request, body) ?? assign(options, assigned, new URLSearchParams(body));
      response.writeHead(answer.status, { 'content-type': 'text/xml;charset=UTF-8' }).end(answer.body);
    });
  });
  const ec2: Ec2 = { assigned, onRequest: () => undefined, close: () => server.close() };
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  return ec2;
};

const failed = (status: number, code: string, message: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>`,
});

const assign = (options: Ec2Options, assigned: Map<string, string>, query: URLSearchParams): Answer => {
  const action = query.get('Action');
  if (action !== 'AssignPrivateIpAddresses') return failed(400, 'InvalidAction', `The action ${action} is not valid`);
  const to = query.get('NetworkInterfaceId') ?? '';
  if (!options.interfaces.includes(to))
    return failed(400, 'InvalidNetworkInterfaceID.NotFound', `The networkInterface ID '${to}' does not exist`);
  const addresses = [...query].filter(([name]) => /^PrivateIpAddress\.\d+$/.test(name)).map(([, value]) => value);
  const taken = addresses.find((address) => assigned.has(address) && assigned.get(address) !== to);
  if (taken !== undefined && query.get('AllowReassignment') !== 'true')
    return failed(400, 'InvalidParameterValue', `Address ${taken} is in use.`);
  for (const address of addresses) assigned.set(address, to);
  const items = addresses.map((address) => `<item><privateIpAddress>${address}</privateIpAddress></item>`).join('');
  return {
    status: 200,
    body: `<AssignPrivateIpAddressesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>
<networkInterfaceId>${to}</networkInterfaceId><assignedPrivateIpAddressesSet>${items}</assignedPrivateIpAddressesSet>
<return>true</return></AssignPrivateIpAddressesResponse>`,
  };
};

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<key>[^/]+)\/(?<scope>[^,]+), ?SignedHeaders=(?<names>[^,]+), ?Signature=(?<signature>[0-9a-f]{64})$/;

/** Null: who asks is known, and may. */
const refusal = (options: Ec2Options, request: IncomingMessage, body: string): Answer | null => {
  const claim = AUTHORIZATION.exec(request.headers.authorization ?? '')?.groups;
  if (claim === undefined) return failed(400, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
  const { key = '', scope = '', names = '', signature = '' } = claim;
  const account = options.keys[key];
  const right = account && signatureOf(account.secret, scope, names, request, body);
  const inScope = scope.endsWith(`/${options.region}/ec2/aws4_request`);
  if (!account || !right || !inScope || !timingSafeEqual(Buffer.from(right), Buffer.from(signature)))
    return failed(401, 'AuthFailure', 'AWS was not able to validate the provided access credentials');
  if (account.allowed) return null;
  return failed(403, 'UnauthorizedOperation', 'You are not authorized to perform this operation.');
};

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** "Create a signed AWS API request": canonical request, string to sign, derived key. The scope is DATE/REGION/SERVICE/aws4_request. */
const signatureOf = (secret: string, scope: string, names: string, request: IncomingMessage, body: string): string => {
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, request.url, '', headers.join(''), names, sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((parent, part) => hmac(parent, part), `AWS4${secret}`);
  return hmac(key, toSign).toString('hex');
};
