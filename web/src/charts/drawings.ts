/** All that needs ECharts: one script, imported when the first drawing is wanted. */
export { Chart } from "./Chart";
export { TimeChart } from "./TimeChart";
