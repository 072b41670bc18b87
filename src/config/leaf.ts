import { z } from 'zod';
import type { Scalar } from './scalars.js';

/** What the schema tells of a refused value; the reader of the file says where and what stood there instead. */
export interface LeafFault {
  readonly scalar: Scalar<unknown>;
}

interface Docs {
  /** Shown beside the key in editors. */
  readonly doc: string;
  /** As it would be written in the file. */
  readonly standard?: unknown;
  readonly examples?: readonly unknown[];
}

/** A single value. Made of `custom`, so that a missing one is refused and named as required in the JSON Schema. */
export const leaf = <T>(scalar: Scalar<T>, { doc, standard, examples }: Docs) =>
  z
    .custom<unknown>(() => true)
    .transform((value, context): T => {
      const parsed = scalar.parse(value);
      if (parsed !== undefined) return parsed;
      const fault: LeafFault = { scalar };
      context.addIssue({ code: 'custom', message: scalar.expected, params: { ...fault } });
      return z.NEVER;
    })
    .meta({
      description: doc,
      json: {
        ...scalar.json,
        ...(standard !== undefined && { default: standard }),
        ...(examples !== undefined && { examples }),
      },
    });

export const leafFault = (params: unknown): LeafFault | undefined =>
  typeof params === 'object' && params !== null && 'scalar' in params ? (params as LeafFault) : undefined;

/** A map with these keys and no others. */
export const section = <T extends z.core.$ZodLooseShape>(doc: string, shape: T) =>
  z.strictObject(shape).meta({ description: doc });
