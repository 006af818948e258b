/** One ECharts drawing as a React component. Only the parts that are used are bundled. */
import { LineChart, PieChart, TreemapChart } from "echarts/charts";
import { AriaComponent, GridComponent, MarkAreaComponent, TooltipComponent } from "echarts/components";
import { init, use as register, type EChartsCoreOption, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

register([
  LineChart,
  PieChart,
  TreemapChart,
  AriaComponent,
  GridComponent,
  MarkAreaComponent,
  TooltipComponent,
  CanvasRenderer,
]);

interface ChartProps {
  option: EChartsCoreOption;
  testId: string;
  /** Called with the name of the datum that was clicked. */
  onPick?: (name: string) => void;
  /** Gives ECharts' own object away, to ask it what is where; null when it is gone. */
  onDrawn?: (drawn: Drawn | null) => void;
}

export type Drawn = EChartsType;

export function Chart({ option, testId, onPick, onDrawn }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType | null>(null);
  const calls = useRef({ onPick, onDrawn });

  useEffect(() => {
    calls.current = { onPick, onDrawn };
  }, [onPick, onDrawn]);
  useEffect(() => {
    if (box.current === null) return undefined;
    const drawn = init(box.current);
    chart.current = drawn;
    calls.current.onDrawn?.(drawn);
    drawn.on("click", ({ name }) => calls.current.onPick?.(name));
    const observer = new ResizeObserver(() => drawn.resize());
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      drawn.dispose();
      chart.current = null;
      calls.current.onDrawn?.(null);
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(option, { notMerge: true });
  }, [option]);

  return <div ref={box} className="chart" data-testid={testId} />;
}
