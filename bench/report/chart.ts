/** Charts as SVG texts, drawn without a browser. Knows figures, not how they were measured. */
import * as echarts from 'echarts';

export interface Bars {
  readonly title: string;
  /** One group of bars each. */
  readonly groups: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
  readonly digits: number;
}

export interface Lines {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

const COLUMNS = 2;
const PANEL_WIDTH = 520;
const PANEL_HEIGHT = 260;
const TOP = 40;
const MARGIN = { left: 60, right: 20, top: 44, bottom: 30 } as const;
const COLORS = ['#2563eb', '#94a3b8', '#64748b', '#a78bfa', '#f59e0b', '#10b981'];

/** One panel of bars a figure; the legend above is for all. */
export function barChart(panels: readonly Bars[]): string {
  const series = panels.flatMap((panel, index) =>
    panel.series.map(({ name, values }) => ({
      name,
      type: 'bar' as const,
      xAxisIndex: index,
      yAxisIndex: index,
      label: { show: true, position: 'top' as const, fontSize: 9, formatter: labelOf(panel.digits) },
      data: values.map((value) => value ?? null),
    })),
  );
  return draw(panels.length, {
    ...layout(panels.map(({ title }) => title)),
    xAxis: panels.map(({ groups }, gridIndex) => ({ type: 'category', gridIndex, data: [...groups] })),
    yAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex })),
    legend: { top: 8 },
    series,
  });
}

/** One panel of lines over minutes. */
export function lineChart(panels: readonly Lines[]): string {
  return draw(panels.length, {
    ...layout(panels.map(({ title, unit }) => `${title}, ${unit}`)),
    xAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex, name: 'min' })),
    yAxis: panels.map((_, gridIndex) => ({ type: 'value', gridIndex })),
    legend: { top: 8 },
    series: panels.flatMap((panel, index) =>
      panel.series.map(({ name, points }) => ({
        name,
        type: 'line' as const,
        showSymbol: false,
        xAxisIndex: index,
        yAxisIndex: index,
        data: points.map(([x, y]) => [x, y]),
      })),
    ),
  });
}

function layout(
  titles: readonly string[],
): Pick<echarts.EChartsOption, 'title' | 'grid' | 'color' | 'animation' | 'backgroundColor'> {
  const at = (index: number): { left: number; top: number } => ({
    left: (index % COLUMNS) * PANEL_WIDTH,
    top: TOP + Math.floor(index / COLUMNS) * PANEL_HEIGHT,
  });
  return {
    animation: false,
    backgroundColor: '#ffffff',
    color: COLORS,
    title: titles.map((text, index) => ({
      text,
      textStyle: { fontSize: 13 },
      left: at(index).left + 10,
      top: at(index).top + 6,
    })),
    grid: titles.map((_, index) => ({
      left: at(index).left + MARGIN.left,
      top: at(index).top + MARGIN.top,
      width: PANEL_WIDTH - MARGIN.left - MARGIN.right,
      height: PANEL_HEIGHT - MARGIN.top - MARGIN.bottom,
    })),
  };
}

function draw(panels: number, option: echarts.EChartsOption): string {
  const width = Math.min(panels, COLUMNS) * PANEL_WIDTH;
  const height = TOP + Math.ceil(panels / COLUMNS) * PANEL_HEIGHT;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption(option);
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

function labelOf(digits: number): (bar: { value?: unknown }) => string {
  return ({ value }) => (typeof value === 'number' ? value.toFixed(digits) : '');
}
