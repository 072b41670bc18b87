/** What is known of a request before it is answered. */
export interface AdminRequest {
  readonly method: string;
  /** Below the base path: `/peers`. */
  readonly path: string;
  /** It changes something. */
  readonly isWrite: boolean;
  /** The `authorization` header; undefined: none. */
  readonly authorization: string | undefined;
  readonly remoteAddress: string;
  /** Names in the certificate that it showed and that is good; undefined: none. */
  readonly certificate: readonly string[] | undefined;
}

export type Verdict =
  | { readonly is: 'allowed' }
  /** `unknown`: it does not say, or not truthfully, who it is. `forbidden`: who it is may not do this. */
  | { readonly is: 'unknown' | 'forbidden'; readonly message: string };

/** Decides which requests may pass. Called once for each, before anything of its body is read. */
export type Access = (request: AdminRequest) => Verdict;

export const allowAll: Access = () => ({ is: 'allowed' });
