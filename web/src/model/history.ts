/** What the history answers, by the page's names. The types are those of docs/openapi.json, which the server's code gives. No logic here. */
export { measureValues as MEASURES } from "./api";
export type { Hosts as HostList, Life, Lives, Machine, MachineStep as MachinePoint, Measure, OomKills as OomKillList, ProcessCalls, Programs, RefusalList, Run, Runs, Sizes, Usage } from "./api";
