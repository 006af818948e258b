/**
 * The keys of an English text, each with its Spanish one; a key too few or too many does not compile. Where English
 * knows `_one` and `_other`, Spanish has `_many` as well: 1.000.000 de solicitudes.
 */
export type Spanish<English> = {
  readonly [Key in keyof English]: English[Key] extends string ? string : Spanish<English[Key]>;
} & {
  readonly [Key in keyof English as Key extends `${infer Base}_other` ? `${Base}_many` : never]: string;
};
