/** The English texts define the keys and the variables of each text. */
import type { en } from "./en";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
    nsSeparator: false;
    interpolationFormatTypeMap: { bytes: number; rate: number };
  }
}
