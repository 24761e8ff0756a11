// The dashboard: how its graphs (dashboard-graphs.ts) are laid out. `npm run dashboard` writes
// grafana/dashboards/twotick.json from it, so that Grafana's own types check every field.

import {
  type Dashboard,
  DashboardCursorSync,
  LegendDisplayMode,
  type Panel,
  type RowPanel,
  SortOrder,
  TooltipDisplayMode,
} from '@grafana/schema'
import { type Graph, ROWS } from './dashboard-graphs.ts'

const PROMETHEUS = { type: 'prometheus', uid: 'prometheus' }
const COLUMNS = 3
const WIDTH = 24 / COLUMNS
const HEIGHT = 8

/** As Grafana takes it from a file. */
export function dashboard(): Dashboard {
  return {
    uid: 'twotick',
    title: 'twotick',
    description: 'docs/operations.md, "Metrics and alerts", has what to do about it.',
    tags: ['twotick'],
    schemaVersion: 41,
    graphTooltip: DashboardCursorSync.Crosshair,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    editable: false,
    panels: panels(),
  }
}

function panels(): (Panel | RowPanel)[] {
  const all: (Panel | RowPanel)[] = []
  let y = 0
  for (const [title, graphs] of ROWS) {
    const gridPos = { x: 0, y, w: 24, h: 1 }
    all.push({ id: all.length + 1, type: 'row', title, collapsed: false, gridPos, panels: [] })
    y += 1
    for (const [index, graph] of graphs.entries()) {
      const at = { x: (index % COLUMNS) * WIDTH, y: y + Math.floor(index / COLUMNS) * HEIGHT }
      all.push(panel(all.length + 1, at, graph))
    }
    y += Math.ceil(graphs.length / COLUMNS) * HEIGHT
  }
  return all
}

function panel(id: number, at: { x: number; y: number }, graph: Graph): Panel {
  const { title, text, unit, series } = graph
  return {
    id,
    type: 'timeseries',
    title,
    description: text,
    datasource: PROMETHEUS,
    gridPos: { ...at, w: WIDTH, h: HEIGHT },
    fieldConfig: {
      defaults: { unit, custom: { fillOpacity: 10, showPoints: 'never' } },
      overrides: [],
    },
    options: {
      legend: {
        calcs: [],
        displayMode: LegendDisplayMode.List,
        placement: 'bottom',
        showLegend: true,
      },
      tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
    },
    targets: Object.entries(series).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: PROMETHEUS,
      expr,
      legendFormat,
      range: true,
    })),
  }
}
