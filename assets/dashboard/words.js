// Words: every text of the page, in English and Spanish, under the same keys. `{name}` stands for a value.

import { memory } from './dom.js';

const KEPT = 'corec.language';

const WORDS = {
  en: {
    skip: 'Skip to the block map', title: 'CoreC dashboard', noScript: 'This page needs JavaScript. The same values are at /metrics and /api/v1/summary.',
    pauseView: 'Pause view', resumeView: 'Resume view', viewPaused: 'View paused', help: 'Shortcuts', language: 'Español', languageHint: 'Show the page in Spanish',
    theme: 'Theme', themeAuto: 'Theme: system', themeDark: 'Theme: dark', themeLight: 'Theme: light', close: 'Close',
    connecting: 'Connecting', live: 'Live', lost: 'Connection lost, retrying', stale: 'Stale: no data for 12 s, reconnecting', hidden: 'In background',
    ended: 'Run ended: {how}', done: 'done', interrupted: 'interrupted', failed: 'failed', newRun: 'A new run has started',
    figures: 'Key figures', tick: 'Tick', ofTicks: 'of {ticks}', rate: 'Ticks/s', target: 'target {rate}', noTarget: 'unpaced', p95: 'Tick p95', ofBudget: '{share} of {ms} ms',
    entities: 'Entities', inBlocks: '{blocks} blocks', fitness: 'Fitness', faults: 'Faults/s', repairs: 'Repairs/s', total: '{count} in all', openAlerts: 'Open alerts', raised: '{count} raised',
    memory: 'Memory', perEntity: '{bytes} per entity', misses: 'Deadline misses', missesRate: '{rate}/s',
    blocks: 'Blocks', blocksShown: '{shown} of {total} shown', colourBy: 'Colour by', fitRange: 'Fit range', fitRangeHint: 'Spread the colours over the values on screen', noValue: 'no value',
    faultRatio: 'Fault ratio', mean: 'Mean', deviation: 'Deviation', score: 'Audit score',
    mapLabel: 'Block map: arrow keys move, Enter opens a block', mapHint: 'Point at a block, or use the arrow keys; Enter opens it.', mapEmpty: 'No blocks yet.', noBlock: 'Block {id} is not in this run',
    block: 'Block', back: 'Back to the map', live_: 'Live', active: 'Active', threshold: 'Threshold', flagged: 'flagged', kind: 'Kind',
    rows: 'Rows', rowsRead: 'read at tick {tick}', column: 'Column', distribution: 'Distribution of {column}', grid: 'Entities by {column}',
    gridLabel: 'Entities of the block: arrow keys move, Enter selects', pageOf: '{from}–{to} of {total}', previous: 'Previous page', next: 'Next page', entity: 'Entity {id}', pickEntity: 'Select a row to follow its value.',
    gone: 'No longer in this block', sparkline: 'Value over the last {count} reads', sortBy: 'Sort by {column}', working: 'works', broken: 'failed',
    col_id: 'Id', col_value: 'Value', col_state: 'State', col_failures: 'Failures', col_gain: 'Gain', col_target: 'Target',
    charts: 'Last two minutes', chartRate: 'Ticks per second', chartTime: 'Tick time, ms', chartMisses: 'Deadline misses/s', chartFitness: 'Mean fitness', chartFaults: 'Faults and repairs/s',
    chartAlerts: 'Open alerts', chartMemory: 'Resident memory', chartLanes: 'Bus, store',
    s_rate: 'rate', s_p50: 'p50', s_p95: 'p95', s_p99: 'p99', s_misses: 'misses', s_fitness: 'fitness', s_faults: 'faults', s_repairs: 'repairs', s_alerts: 'open', s_memory: 'rss', s_lag: 'lag', s_queue: 'queue',
    systems: 'Systems', systemsLabel: 'Time by phase and system: arrow keys move', perTick: '{ms} ms per tick', share: '{share} of measured time', ofPlugin: 'plugin {name}', flameHint: 'Widths are time per tick over the last seconds.', noSystems: 'No system has run yet.', phase: 'phase',
    alerts: 'Alerts', noAlerts: 'No alert is open.', recent: 'Recent', open: 'Open', noRecent: 'None yet.', severity: 'Severity', sev0: 'unknown', sev1: 'critical', sev2: 'high', sev3: 'medium', sev4: 'low', sev5: 'info',
    name: 'Name', value: 'Value', by: 'By', why: 'Why', state: 'State', stateRaised: 'raised', stateCleared: 'cleared', engine: 'engine', alertsNow: '{count} alerts open', alertNow: 'One alert open: {name}, {subject}', alertsNone: 'No alerts open', more: 'and {count} more',
    plugins: 'Plugins', noPlugins: 'This run has no plugins.', running: 'running', paused: 'paused', stopped: 'stopped', ms: 'ms/tick', budget: 'Budget', anyBudget: 'any', errors: 'Errors', action: 'Action', pause: 'Pause', resume: 'Resume', pauseName: 'Pause {name}', resumeName: 'Resume {name}',
    switched: '{name}: takes effect before the next tick', failedSwitch: '{name}: {error}',
    tokenTitle: 'Token', tokenText: 'Pausing and resuming needs the token of this process: COREC_HTTP_TOKEN, or the one in the run’s http.json. It is kept until this tab is closed.', tokenLabel: 'Token', tokenRefused: 'That token was refused (401).', send: 'Continue', cancel: 'Cancel',
    lanes: 'Lanes', lane: 'Lane', up: 'up', away: 'away', url: 'URL', sent: 'Sent', waiting: 'Waiting', dropped: 'Dropped', lostItems: 'Lost', lag: 'Lag', pending: 'Pending', spool: 'Spool', outages: '{count} outages, {span}',
    run: 'Run', scenario: 'Scenario', instance: 'Instance', seed: 'Seed', runId: 'Run id', version: 'Version', threads: 'Threads', folder: 'Folder', uptime: 'Up for', digest: 'Digest', atTick: 'at tick {tick}', snapshot: 'Snapshot', ago: '{span} ago', never: 'none yet', journal: 'Journal', records: '{count} records',
    messages: 'Messages', refused: '{refused} refused, {lost} lost', audits: 'Audits', flags: '{count} blocks flagged', births: 'Births refused',
    shortcuts: 'Keyboard shortcuts', k_space: 'Pause or resume the view', k_digits: 'Colour by fitness, fault ratio, mean, deviation, audit score', k_arrows: 'Move in the map, the grid or the flame bar', k_enter: 'Open the block, select the entity', k_escape: 'Back to the map', k_help: 'This list', unreachable: 'The engine did not answer',
  },
  es: {
    skip: 'Ir al mapa de bloques', title: 'Panel de CoreC', noScript: 'Esta página necesita JavaScript. Los mismos valores están en /metrics y /api/v1/summary.',
    pauseView: 'Pausar vista', resumeView: 'Reanudar vista', viewPaused: 'Vista en pausa', help: 'Atajos', language: 'English', languageHint: 'Mostrar la página en inglés',
    theme: 'Tema', themeAuto: 'Tema: sistema', themeDark: 'Tema: oscuro', themeLight: 'Tema: claro', close: 'Cerrar',
    connecting: 'Conectando', live: 'En vivo', lost: 'Conexión perdida, reintentando', stale: 'Sin datos desde hace 12 s, reconectando', hidden: 'En segundo plano',
    ended: 'Ejecución terminada: {how}', done: 'completa', interrupted: 'interrumpida', failed: 'fallida', newRun: 'Ha empezado una ejecución nueva',
    figures: 'Cifras principales', tick: 'Tick', ofTicks: 'de {ticks}', rate: 'Ticks/s', target: 'objetivo {rate}', noTarget: 'sin ritmo fijo', p95: 'Tick p95', ofBudget: '{share} de {ms} ms',
    entities: 'Entidades', inBlocks: '{blocks} bloques', fitness: 'Aptitud', faults: 'Fallos/s', repairs: 'Reparaciones/s', total: '{count} en total', openAlerts: 'Alertas abiertas', raised: '{count} emitidas',
    memory: 'Memoria', perEntity: '{bytes}/entidad', misses: 'Plazos perdidos', missesRate: '{rate}/s',
    blocks: 'Bloques', blocksShown: '{shown} de {total} a la vista', colourBy: 'Color según', fitRange: 'Ajustar rango', fitRangeHint: 'Repartir los colores entre los valores en pantalla', noValue: 'sin valor',
    faultRatio: 'Tasa de fallo', mean: 'Media', deviation: 'Desviación', score: 'Auditoría',
    mapLabel: 'Mapa de bloques: las flechas mueven, Intro abre un bloque', mapHint: 'Señale un bloque o use las flechas; Intro lo abre.', mapEmpty: 'Aún no hay bloques.', noBlock: 'El bloque {id} no está en esta ejecución',
    block: 'Bloque', back: 'Volver al mapa', live_: 'Vivas', active: 'Activas', threshold: 'Umbral', flagged: 'marcado', kind: 'Clase',
    rows: 'Filas', rowsRead: 'leídas en el tick {tick}', column: 'Columna', distribution: 'Distribución de {column}', grid: 'Entidades por {column}',
    gridLabel: 'Entidades del bloque: las flechas mueven, Intro selecciona', pageOf: '{from}–{to} de {total}', previous: 'Página anterior', next: 'Página siguiente', entity: 'Entidad {id}', pickEntity: 'Elija una fila para seguir su valor.',
    gone: 'Ya no está en este bloque', sparkline: 'Valor en las últimas {count} lecturas', sortBy: 'Ordenar por {column}', working: 'funciona', broken: 'con fallo',
    col_id: 'Id', col_value: 'Valor', col_state: 'Estado', col_failures: 'Fallos', col_gain: 'Ganancia', col_target: 'Objetivo',
    charts: 'Últimos dos minutos', chartRate: 'Ticks por segundo', chartTime: 'Tiempo de tick, ms', chartMisses: 'Plazos perdidos/s', chartFitness: 'Aptitud media', chartFaults: 'Fallos y reparaciones/s',
    chartAlerts: 'Alertas abiertas', chartMemory: 'Memoria residente', chartLanes: 'Bus, almacén',
    s_rate: 'ritmo', s_p50: 'p50', s_p95: 'p95', s_p99: 'p99', s_misses: 'perdidos', s_fitness: 'aptitud', s_faults: 'fallos', s_repairs: 'reparaciones', s_alerts: 'abiertas', s_memory: 'rss', s_lag: 'retraso', s_queue: 'cola',
    systems: 'Sistemas', systemsLabel: 'Tiempo por fase y sistema: las flechas mueven', perTick: '{ms} ms por tick', share: '{share} del tiempo medido', ofPlugin: 'plugin {name}', flameHint: 'El ancho es el tiempo por tick de los últimos segundos.', noSystems: 'Aún no ha corrido ningún sistema.', phase: 'fase',
    alerts: 'Alertas', noAlerts: 'No hay alertas abiertas.', recent: 'Recientes', open: 'Abiertas', noRecent: 'Ninguna todavía.', severity: 'Gravedad', sev0: 'desconocida', sev1: 'crítica', sev2: 'alta', sev3: 'media', sev4: 'baja', sev5: 'aviso',
    name: 'Nombre', value: 'Valor', by: 'Origen', why: 'Motivo', state: 'Estado', stateRaised: 'emitida', stateCleared: 'resuelta', engine: 'motor', alertsNow: '{count} alertas abiertas', alertNow: 'Una alerta abierta: {name}, {subject}', alertsNone: 'Ninguna alerta abierta', more: 'y {count} más',
    plugins: 'Plugins', noPlugins: 'Esta ejecución no tiene plugins.', running: 'en marcha', paused: 'en pausa', stopped: 'detenido', ms: 'ms/tick', budget: 'Límite', anyBudget: 'libre', errors: 'Errores', action: 'Acción', pause: 'Pausar', resume: 'Reanudar', pauseName: 'Pausar {name}', resumeName: 'Reanudar {name}',
    switched: '{name}: tendrá efecto antes del próximo tick', failedSwitch: '{name}: {error}',
    tokenTitle: 'Token', tokenText: 'Pausar y reanudar requiere el token de este proceso: COREC_HTTP_TOKEN, o el de http.json en la carpeta de la ejecución. Se guarda hasta cerrar esta pestaña.', tokenLabel: 'Token', tokenRefused: 'Ese token fue rechazado (401).', send: 'Continuar', cancel: 'Cancelar',
    lanes: 'Vías', lane: 'Vía', up: 'activa', away: 'caída', url: 'URL', sent: 'Enviados', waiting: 'En espera', dropped: 'Descartados', lostItems: 'Perdidos', lag: 'Retraso', pending: 'Pendientes', spool: 'En disco', outages: '{count} cortes, {span}',
    run: 'Ejecución', scenario: 'Escenario', instance: 'Instancia', seed: 'Semilla', runId: 'Id', version: 'Versión', threads: 'Hilos', folder: 'Carpeta', uptime: 'En marcha', digest: 'Huella', atTick: 'en el tick {tick}', snapshot: 'Instantánea', ago: 'hace {span}', never: 'ninguna aún', journal: 'Diario', records: '{count} registros',
    messages: 'Mensajes', refused: '{refused} rechazados, {lost} perdidos', audits: 'Auditorías', flags: '{count} marcados', births: 'Nacimientos rechazados',
    shortcuts: 'Atajos de teclado', k_space: 'Pausar o reanudar la vista', k_digits: 'Color según aptitud, tasa de fallo, media, desviación, auditoría', k_arrows: 'Moverse por el mapa, la cuadrícula o la barra de sistemas', k_enter: 'Abrir el bloque, elegir la entidad', k_escape: 'Volver al mapa', k_help: 'Esta lista', unreachable: 'El motor no respondió',
  },
};

const wanted = memory.get(KEPT) ?? navigator.language ?? 'en';
let current = wanted.toLowerCase().startsWith('es') ? 'es' : 'en';

export const language = () => current;

export function switchLanguage() {
  current = current === 'en' ? 'es' : 'en';
  memory.set(KEPT, current);
}

/** A text with its values put in. */
export function t(key, values) {
  const text = WORDS[current][key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '') : text;
}

/** The text of a key that comes from outside; itself where there is no such word. */
export const known = (key, prefix = '') => WORDS[current][prefix + key] ?? key;

/** Puts the words into what the page brings along: `data-t` names a text, `data-t-label` a label, `data-t-title` a hint. */
export function translate(root = document) {
  document.documentElement.lang = current;
  document.title = t('title');
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  for (const node of root.querySelectorAll('[data-t-title]')) node.title = t(node.dataset.tTitle);
}
