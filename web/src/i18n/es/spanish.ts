/**
 * The keys of an English text, each with a Spanish text. A missing or additional key does not
 * compile. Keys with `_one` and `_other` in English also need `_many`: 1.000.000 de solicitudes.
 */
export type Spanish<English> = {
  readonly [Key in keyof English]: English[Key] extends string ? string : Spanish<English[Key]>;
} & {
  readonly [Key in keyof English as Key extends `${infer Base}_other` ? `${Base}_many` : never]: string;
};
