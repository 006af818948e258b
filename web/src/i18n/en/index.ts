/**
 * English is the original language of all texts. The first part of a key names its file:
 * `requests.pause` is in requests.ts.
 */
import { frame } from "./frame";
import { health } from "./health";
import { hints } from "./hints";
import { meanings } from "./meanings";
import { overview } from "./overview";
import { process } from "./process";
import { processes } from "./processes";
import { reports } from "./reports";
import { requests } from "./requests";
import { strip } from "./strip";
import { time } from "./time";

export const en = { frame, health, hints, meanings, overview, process, processes, reports, requests, strip, time };
