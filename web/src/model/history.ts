/**
 * Types of the history's answers. They come from docs/openapi.json, which is generated from the
 * server's code. No logic here.
 */
export { measureValues as MEASURES } from "./api";
export type { Hosts as HostList, Life, Lives, Machine, MachineStep as MachinePoint, Measure, OomKills as OomKillList, ProcessCalls, Programs, RefusalList, Run, Runs, Sizes, Usage } from "./api";
