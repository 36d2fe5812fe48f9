// What a person would see as broken on a page: text beyond an edge, cut short, or on top of other text.
() => {
  const faults = [];
  const shown = node => {
    if (!node.checkVisibility({ contentVisibilityAuto: true, opacityProperty: true, visibilityProperty: true })) return false;
    for (let at = node; at && at !== document.body; at = above(at)) {
      const style = getComputedStyle(at);
      if (style.clip !== 'auto' || style.clipPath === 'inset(50%)') return false; // for screen readers alone
    }
    return true;
  };
  const scrolls = node => ['auto', 'scroll'].includes(getComputedStyle(node).overflowX);
  const above = node => node.parentElement ?? node.getRootNode().host; // out of a shadow root too
  const elements = function* (root) {
    for (const node of root.querySelectorAll('*')) {
      yield node;
      if (node.shadowRoot) yield* elements(node.shadowRoot);
    }
  };
  const texts = function* (root) {
    for (const node of elements(root)) yield* [...node.childNodes].filter(one => one.nodeType === Node.TEXT_NODE);
  };
  const words = text => JSON.stringify(text.trim().replace(/\s+/g, ' ').slice(0, 60));

  const main = document.querySelector('[data-testid=stMain]');
  const wide = Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
  if (wide > 1) faults.push(`the page is ${wide} pixels wider than the window`);

  if (innerWidth >= 1000) { // a phone may scroll a table; on a desk all of it is seen
    for (const node of elements(main)) {
      const beyond = node.scrollWidth - node.clientWidth;
      if (beyond > 1 && scrolls(node) && shown(node)) faults.push(`${node.className} scrolls sideways by ${beyond} pixels`);
    }
  }

  const pieces = [];
  for (const room of document.querySelectorAll('[data-testid=stMainBlockContainer], [data-testid=stSidebarContent]')) {
    if (room.getBoundingClientRect().right <= 1) continue; // the sidebar is folded away
    const kept = new Map();
    for (const text of texts(room)) {
      const parent = text.parentElement;
      if (!text.data.trim() || parent.closest('script, style, option, [data-testid=stIconMaterial], .sr-only')) continue;
      if (!kept.has(parent)) kept.set(parent, shown(parent));
      if (!kept.get(parent)) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      const frames = []; // what scrolls or cuts off, from the inside out
      for (let at = parent; at && at !== room; at = above(at)) {
        const style = getComputedStyle(at);
        if (style.overflowX !== 'visible' && !(at instanceof SVGElement)) frames.push(at);
      }
      for (const box of range.getClientRects()) {
        if (box.width < 2 || box.height < 2) continue;
        const seen = { left: box.left, right: box.right, top: box.top, bottom: box.bottom };
        let excused = false;
        for (const frame of [...frames, null]) {
          const edge = frame ? frame.getBoundingClientRect() : { left: 0, right: innerWidth, top: -1e6, bottom: 1e6 };
          const out = Math.max(seen.right - edge.right, edge.left - seen.left);
          excused ||= frame && (scrolls(frame) || getComputedStyle(frame).textOverflow === 'ellipsis');
          if (out > 2 && !excused) faults.push(`cut: ${words(text.data)} by ${Math.round(out)} pixels`);
          for (const side of ['left', 'top']) seen[side] = Math.max(seen[side], edge[side]);
          for (const side of ['right', 'bottom']) seen[side] = Math.min(seen[side], edge[side]);
        }
        if (seen.right - seen.left > 2 && seen.bottom - seen.top > 2) pieces.push({ box: seen, text, parent, room });
      }
    }
  }
  pieces.sort((one, other) => one.box.top - other.box.top);
  for (let at = 0; at < pieces.length; at++) {
    const one = pieces[at];
    for (let next = at + 1; next < pieces.length && pieces[next].box.top < one.box.bottom - 3; next++) {
      const other = pieces[next];
      if (one.text === other.text || one.room !== other.room) continue;
      if (Math.max(one.text.data.trim().length, other.text.data.trim().length) < 2) continue; // marks may meet
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - other.box.top;
      if (across > 3 && down > 3) {
        const seen = piece => { // is it the one on top where they meet?
          const x = Math.max(one.box.left, other.box.left) + across / 2, y = other.box.top + down / 2;
          const root = piece.parent.getRootNode(), top = root.elementFromPoint(x, y);
          return !top || top === piece.parent || top.contains(piece.parent) || piece.parent.contains(top);
        };
        if (seen(one) && seen(other)) faults.push(`on top of each other: ${words(one.text.data)} and ${words(other.text.data)}`);
      }
    }
  }
  return [...new Set(faults)];
}
