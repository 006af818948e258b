/** An ECharts drawing as a React component. Only the ECharts modules that are used are bundled. */
import { LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use as register, type EChartsCoreOption, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

register([LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

interface ChartProps {
  option: EChartsCoreOption;
  testId: string;
  /**
   * Receives the ECharts instance, to convert between pixels and values. Null when it is disposed.
   */
  onDrawn?: (drawn: Drawn | null) => void;
}

export type Drawn = EChartsType;

export function Chart({ option, testId, onDrawn }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const notify = useRef(onDrawn);

  useEffect(() => {
    notify.current = onDrawn;
  }, [onDrawn]);
  useEffect(() => {
    if (box.current === null) return undefined;
    const drawn = init(box.current);
    chart.current = drawn;
    notify.current?.(drawn);
    const observer = new ResizeObserver(() => drawn.resize());
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      drawn.dispose();
      chart.current = null;
      notify.current?.(null);
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [option]);

  // ECharts has a module for this, which would only write the same attributes.
  return <div ref={box} className="chart" data-testid={testId} role="img" aria-label={descriptionOf(option)} />;
}

/** Text alternative for the drawing. */
function descriptionOf(option: EChartsCoreOption): string | undefined {
  const aria = option["aria"] as { label?: { description?: string } } | undefined;
  return aria?.label?.description;
}
