// The table of all trials: filters, order, and a training's curves below its row.
const trials = (() => {
  const PAGE = 50, MOST_WORDS = 15, NS = "http://www.w3.org/2000/svg";
  const source = document.getElementById("trials-data");
  if (!source) return null;
  const data = JSON.parse(source.textContent);
  const fields = data.fields, count = data.curve.length;
  const box = document.getElementById("explorer");
  const body = box.querySelector("tbody"), headings = [...box.querySelectorAll("th")];
  const state = { words: [], picked: new Map(), marked: null, sort: null, descending: false, page: PAGE };

  const value = (field, row) => (field.numeric ? field.values[row] : field.words[field.at[row]]);
  function told(field, row) {
    const found = value(field, row);
    if (found === null) return "";
    if (!field.numeric) return found;
    return field.digits === null ? String(Number(found.toPrecision(4))) : found.toFixed(field.digits);
  }
  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // A word is looked for in all cells; name=value, name>value and the like compare one column.
  const COMPARE = {
    "=": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, ">": (a, b) => a > b,
    "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
  };
  function condition(word) {
    const parts = word.match(/^([^<>=!]+)(<=|>=|!=|=|<|>)(.*)$/);
    const plain = (text) => text.replaceAll('"', "").toLowerCase();
    const field = parts && fields.find((each) => [each.name, each.label].some((name) => plain(name) === plain(parts[1])));
    if (!field) return (row) => fields.some((each) => told(each, row).toLowerCase().includes(plain(word)));
    const compare = COMPARE[parts[2]], wanted = plain(parts[3]);
    if (!field.numeric) return (row) => compare(value(field, row).toLowerCase(), wanted);
    return (row) => value(field, row) !== null && wanted !== "" && compare(value(field, row), Number(wanted));
  }
  function found() {
    const conditions = state.words.map(condition);
    for (const [field, word] of state.picked) conditions.push((row) => value(field, row) === word);
    const rows = state.marked ? state.marked.rows : [...Array(count).keys()];
    const kept = rows.filter((row) => conditions.every((holds) => holds(row)));
    const field = state.sort;
    if (!field) return kept;
    const sign = state.descending ? -1 : 1;
    return kept.sort((a, b) => {
      const [x, y] = [value(field, a), value(field, b)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return sign * (field.numeric ? x - y : x.localeCompare(y)) || a - b;
    });
  }

  function drawn(name, attributes, text = "") {
    const made = document.createElementNS(NS, name);
    for (const [key, each] of Object.entries(attributes)) made.setAttribute(key, each);
    made.textContent = text;
    return made;
  }
  function curves(row) {
    const [epochs, ...lines] = data.curves[data.curve[row]];
    const values = lines.flat().filter((each) => each !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const [first, last] = [epochs[0], epochs.at(-1)];
    const x = (epoch) => 60 + (last > first ? (480 * (epoch - first)) / (last - first) : 240);
    const y = (each) => (high > low ? 170 - (130 * (each - low)) / (high - low) : 105);
    const svg = drawn("svg", { viewBox: "0 0 560 200", role: "img", class: "curves" });
    svg.append(drawn("title", {}, `Learning curves: ${data.metrics.join(", ")}`));
    for (const each of new Set([low, high])) {
      svg.append(drawn("line", { x1: 60, x2: 540, y1: y(each), y2: y(each), stroke: "var(--rule)" }));
      svg.append(drawn("text", { x: 54, y: y(each) + 4, "text-anchor": "end" }, Number(each.toPrecision(4))));
    }
    for (const epoch of new Set([first, last])) {
      svg.append(drawn("text", { x: x(epoch), y: 190, "text-anchor": "middle" }, `epoch ${epoch}`));
    }
    lines.forEach((line, index) => {
      const color = `var(--series-${1 - index})`;
      const points = line.map((each, at) => [each, epochs[at]]).filter(([each]) => each !== null);
      const path = points.map(([each, epoch]) => `${x(epoch).toFixed(1)},${y(each).toFixed(1)}`).join(" ");
      svg.append(drawn("polyline", { points: path, fill: "none", stroke: color, "stroke-width": 2 }));
      for (const [each, epoch] of points) {
        const dot = drawn("circle", { cx: x(epoch), cy: y(each), r: points.length > 40 ? 1.5 : 3, fill: color });
        dot.append(drawn("title", {}, `epoch ${epoch}: ${each}`));
        svg.append(dot);
      }
      svg.append(drawn("text", { x: 60 + 240 * index, y: 18, fill: color, class: "name" }, data.metrics[index]));
    });
    return svg;
  }
  function opener(row) {
    if (data.curve[row] < 0) return element("td", { className: "opener" });
    const button = element("button", { type: "button", textContent: "▸", title: "learning curves" });
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const line = button.closest("tr"), open = button.getAttribute("aria-expanded") === "true";
      if (open) line.nextElementSibling.remove();
      else line.after(element("tr", { className: "detail" }, element("td", { colSpan: fields.length + 1 }, curves(row))));
      button.setAttribute("aria-expanded", String(!open));
      button.textContent = open ? "▸" : "▾";
    });
    return element("td", { className: "opener" }, button);
  }
  function line(row) {
    const made = element("tr", {}, opener(row));
    for (const field of fields) {
      const link = field.name === "method" && data.links[row];
      const text = told(field, row);
      const inner = link ? element("a", { href: link, textContent: text }) : text;
      made.append(element("td", { className: field.numeric ? "number" : text.length > 24 ? "long" : "" }, inner));
    }
    return made;
  }

  const summary = element("p", { className: "caption" });
  summary.setAttribute("aria-live", "polite");
  const more = element("button", { type: "button", className: "plain" });
  const chip = element("button", { type: "button", className: "chip", hidden: true });
  function show() {
    const rows = found();
    body.replaceChildren(...rows.slice(0, state.page).map(line));
    const chosen = rows.length === count ? `All ${count} trials.` : `${rows.length} of ${count} trials.`;
    summary.textContent = rows.length ? chosen : `${chosen} Nothing fits all filters.`;
    more.hidden = rows.length <= state.page;
    more.textContent = `Show ${Math.min(4 * PAGE, rows.length - state.page)} more`;
    chip.hidden = !state.marked;
    chip.textContent = state.marked ? `${state.marked.text} ✕` : "";
    chip.title = "Show the others again";
    headings.slice(1).forEach((heading, at) => {
      if (fields[at] === state.sort) heading.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
  }
  function again(change) {
    change();
    state.page = PAGE;
    show();
  }

  const words = element("input", { type: "search", placeholder: "Filter: input p=0.5 valid>94 state=failed" });
  words.setAttribute("aria-label", "Filter trials");
  words.addEventListener("input", () => again(() => { state.words = words.value.match(/(?:[^\s"]|"[^"]*")+/g) ?? []; }));
  const picks = fields.filter((field) => !field.numeric && field.words.length > 1 && field.words.length <= MOST_WORDS);
  const selects = picks.map((field) => {
    const options = [...field.words].sort().map((word) => element("option", { value: word, textContent: word || "–" }));
    const select = element("select", {}, element("option", { value: "\0", textContent: `any ${field.label}` }), ...options);
    select.setAttribute("aria-label", field.label);
    select.addEventListener("change", () => again(() => {
      if (select.value === "\0") state.picked.delete(field);
      else state.picked.set(field, select.value);
    }));
    return select;
  });
  chip.addEventListener("click", () => again(() => { state.marked = null; }));
  more.addEventListener("click", () => { state.page += 4 * PAGE; show(); });
  headings.slice(1).forEach((heading, at) => {
    heading.querySelector("button").addEventListener("click", () => again(() => {
      state.descending = state.sort === fields[at] ? !state.descending : fields[at].numeric;
      state.sort = fields[at];
    }));
  });
  box.querySelector(".left-out").remove();
  box.querySelector(".scroll").before(element("div", { className: "filters" }, words, ...selects), chip, summary);
  box.querySelector(".scroll").after(more);
  show();

  return {
    // Shows the trials behind a cell or a point, and nothing else.
    only(rows, text) {
      words.value = "";
      for (const select of selects) select.value = "\0";
      again(() => { state.words = []; state.picked.clear(); state.marked = { rows, text }; });
      document.getElementById("all-trials").scrollIntoView();
    },
    // Seed, validation value and gain of some trials, a line each; what is not complete says so.
    seeds(rows) {
      const [seed, valid, gain, how] = ["seed", "valid", "gain", "state"].map((name) => fields.find((each) => each.name === name));
      return rows.map((row) => {
        const change = value(gain, row), sign = change > 0 ? "+" : "";
        const note = value(how, row) === "complete" ? "" : value(how, row);
        const found = [told(valid, row), change === null ? "" : `${sign}${told(gain, row)}`, note];
        return `seed ${told(seed, row)}: ${found.filter(Boolean).join(", ")}`;
      });
    },
  };
})();
