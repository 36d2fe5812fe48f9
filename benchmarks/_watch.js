// Notes in a page what tests wait by: when it last asked its server and heard from it, and whether anything was put on
// it or taken off since somebody looked.
(() => {
  if (window.qdebugSeen) return;
  const seen = window.qdebugSeen = { asked: 0, heard: 0, stirred: true, wait: 0, quiet: 0 };
  const send = WebSocket.prototype.send;
  const known = new WeakSet();
  WebSocket.prototype.send = function (...message) {
    if (!known.has(this)) this.addEventListener('message', () => { seen.heard = performance.now(); });
    known.add(this);
    seen.asked = performance.now();
    return send.apply(this, message);
  };
  new MutationObserver(() => { seen.stirred = true; }).observe(document, { childList: true, subtree: true });
})();
