/** This node cannot take calls, or gossip, where it is to listen. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  constructor(
    readonly address: string,
    why: string,
    cause: unknown,
  ) {
    super(`cannot listen on ${address}: ${why}`, { cause });
  }
}

const listenReasons: readonly (readonly [RegExp, (portFlag: string) => string])[] = [
  [/EADDRINUSE/, (flag) => `address already in use; choose another ${flag} or stop the other process`],
  [/EACCES|EPERM/, () => 'permission denied; ports below 1024 need rights that this process does not have'],
  [/EADDRNOTAVAIL/, () => 'this machine has no such address; choose another --bind-addr'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, () => 'the name does not resolve; choose another --bind-addr'],
];

/** @param portFlag the flag of the command line that sets this port */
export function listenError(address: string, cause: Error, portFlag = '--bind-port'): ListenError {
  const known = listenReasons.find(([pattern]) => pattern.test(cause.message));
  return new ListenError(address, known?.[1](portFlag) ?? cause.message, cause);
}
