/** English tells the compiler which keys there are, and which variables each text wants. */
import type { en } from "./en";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
    nsSeparator: false;
    interpolationFormatTypeMap: { bytes: number; rate: number };
  }
}
