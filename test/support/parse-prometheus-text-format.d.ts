/** The package brings no types. */
declare module 'parse-prometheus-text-format' {
  interface Family {
    readonly name: string;
    readonly help: string;
    /** In capitals: COUNTER, GAUGE, HISTOGRAM, UNTYPED. */
    readonly type: string;
    readonly metrics: readonly {
      readonly value?: string;
      readonly labels?: Readonly<Record<string, string>>;
      readonly buckets?: Readonly<Record<string, string>>;
      readonly count?: string;
      readonly sum?: string;
    }[];
  }
  function parse(text: string): Family[];
  export = parse;
}
