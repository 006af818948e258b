/** All components that need ECharts. They are one script, which loads with the first drawing. */
export { Chart } from "./Chart";
export { TimeChart } from "./TimeChart";
