/** How a process is told from others: pids are used again, so its start belongs to it. */
import type { ProcessId } from "./wire";

export type ProcessKey = string;

export function processKey(id: ProcessId): ProcessKey {
  return `${id.pid}@${id.start_time}`;
}
