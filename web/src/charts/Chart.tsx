/** One ECharts drawing as a React component. Only the parts that are used are bundled. */
import { LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use as register, type EChartsCoreOption, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

register([LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

interface ChartProps {
  option: EChartsCoreOption;
  testId: string;
  /** Gives ECharts' own object away, to ask it what is where; null when it is gone. */
  onDrawn?: (drawn: Drawn | null) => void;
}

export type Drawn = EChartsType;

export function Chart({ option, testId, onDrawn }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const tell = useRef(onDrawn);

  useEffect(() => {
    tell.current = onDrawn;
  }, [onDrawn]);
  useEffect(() => {
    if (box.current === null) return undefined;
    const drawn = init(box.current);
    chart.current = drawn;
    tell.current?.(drawn);
    const observer = new ResizeObserver(() => drawn.resize());
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      drawn.dispose();
      chart.current = null;
      tell.current?.(null);
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [option]);

  // ECharts' own part for this would only write the same attributes.
  return <div ref={box} className="chart" data-testid={testId} role="img" aria-label={descriptionOf(option)} />;
}

/** What the drawing shows, in words. */
function descriptionOf(option: EChartsCoreOption): string | undefined {
  const aria = option["aria"] as { label?: { description?: string } } | undefined;
  return aria?.label?.description;
}
