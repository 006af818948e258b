/**
 * Identifies a process. The start time is part of the key, because the kernel reuses pids. The key
 * of a process on another host ends with the host name.
 */
import type { ProcessId } from "./wire";

export type ProcessKey = string;

export function processKey(id: ProcessId): ProcessKey {
  return `${id.pid}@${id.start_time}`;
}

/** Parts of a key, `4211@2026-11-23T10:00:00.000Z@other`; null if a hand-written key is invalid. */
export function keyParts(key: ProcessKey): (ProcessId & { host: string | undefined }) | null {
  const match = /^(\d+)@([^@\s]+)(?:@(.+))?$/su.exec(key);
  return match === null ? null : { pid: Number(match[1]), start_time: match[2] ?? "", host: match[3] };
}
