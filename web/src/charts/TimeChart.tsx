/**
 * A chart over time. All charts of a view share one crosshair. A drag selects a range, and a click
 * selects the time around it.
 */
import { connect } from "echarts/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { around, dragged } from "../lib/time";
import { useGoTo } from "../ui/router";
import { useSettings } from "../ui/settings";
import { Chart, type Drawn } from "./Chart";
import { timeOption, type TimeChartData } from "./timeOption";

const GROUP = "time";
/** A pointer that moved less than this is a click. */
const CLICK_PX = 4;

interface Drag {
  start: number;
  end: number;
}

export function TimeChart({ data, testId }: { data: TimeChartData; testId: string }) {
  const { theme } = useSettings();
  const goTo = useGoTo();
  const chart = useRef<Drawn | null>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const option = useMemo(() => timeOption(data, theme), [data, theme]);
  useEffect(() => {
    if (chart.current === null) return;
    chart.current.group = GROUP;
    connect(GROUP);
  }, []);

  const timeAt = (x: number): number => {
    const value = chart.current?.convertFromPixel({ xAxisIndex: 0 }, x);
    return Math.max(data.from, Math.min(data.to, Number(value)));
  };
  const finish = () => {
    if (drag === null) return;
    setDrag(null);
    const [start, end] = [timeAt(drag.start), timeAt(drag.end)];
    if (Number.isNaN(start) || Number.isNaN(end)) return;
    goTo({ time: Math.abs(drag.end - drag.start) < CLICK_PX ? around(start, data) : dragged(start, end) });
  };
  return (
    // Only a shortcut for the pointer. The time control in the frame does the same by keyboard.
    <div
      className="time-chart"
      role="presentation"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        const x = within(event);
        setDrag({ start: x, end: x });
      }}
      onPointerMove={(event) => drag !== null && setDrag({ ...drag, end: within(event) })}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(null)}
    >
      <Chart option={option} testId={testId} onDrawn={(drawn) => (chart.current = drawn)} />
      {drag !== null && <span className="time-band" style={bandOf(drag)} />}
    </div>
  );
}

function within(event: { clientX: number; currentTarget: Element }): number {
  return event.clientX - event.currentTarget.getBoundingClientRect().left;
}

function bandOf({ start, end }: Drag): { left: number; width: number } {
  return { left: Math.min(start, end), width: Math.abs(end - start) };
}
