/** Single queries over HTTP. All other live data come over the socket. */
import type { OneProcess, ProcessId, Proportional } from "../model/wire";
import { timeAgo } from "./clock";

export type PssAnswer = { kind: "answer"; value: Proportional; at: string } | { kind: "ended" } | { kind: "failed"; why: string };

export async function askPss({ pid, start_time }: ProcessId): Promise<PssAnswer> {
  try {
    const response = await fetch(`/api/v1/processes/${pid}?pss=true`);
    const body = (await response.json()) as Partial<OneProcess> & { error?: string };
    if (!response.ok) return { kind: "failed", why: body.error ?? `HTTP ${response.status}` };
    const { pss_bytes, uss_bytes, swap_pss_bytes, pss_age_s } = body;
    // The process has ended, and another one may have its pid.
    if (body.start_time !== start_time || pss_bytes === undefined || uss_bytes === undefined) return { kind: "ended" };
    const value = { pss_bytes, uss_bytes, swap_pss_bytes: swap_pss_bytes ?? 0 };
    return { kind: "answer", value, at: timeAgo(pss_age_s ?? 0) };
  } catch (error) {
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  }
}
