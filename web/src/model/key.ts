/** How a process is told from others: pids are used again, so its start belongs to it; of another machine, that one's name stands behind. */
import type { ProcessId } from "./wire";

export type ProcessKey = string;

export function processKey(id: ProcessId): ProcessKey {
  return `${id.pid}@${id.start_time}`;
}

/** The parts of a key, `4211@2026-11-23T10:00:00.000Z@other`; null of one that was written by hand and is none. */
export function keyParts(key: ProcessKey): (ProcessId & { host: string | undefined }) | null {
  const match = /^(\d+)@([^@\s]+)(?:@(.+))?$/su.exec(key);
  return match === null ? null : { pid: Number(match[1]), start_time: match[2] ?? "", host: match[3] };
}
