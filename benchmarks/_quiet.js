// Whether a page was at rest each of the last times that this was asked, for one and the same wait.
({ wait, stands, times }) => {
  const seen = window.qdebugSeen;
  if (seen.wait !== wait) Object.assign(seen, { wait, quiet: 0 });
  const signs = '[class*="st-key-working-"], .q-waiting, [data-testid="stStatusWidget"], [data-testid="stToast"], '
    + '[data-testid="stSkeleton"]';
  const unanswered = seen.asked > seen.heard && performance.now() - seen.asked < 5000;
  const moving = document.getAnimations().some(one => one instanceof CSSTransition && one.playState === 'running');
  const busy = unanswered || moving || seen.stirred || document.querySelector(signs) || !document.querySelector(stands)
    || document.querySelector('.stApp')?.dataset.testScriptState === 'running';
  seen.stirred = false;
  seen.quiet = busy ? 0 : seen.quiet + 1;
  return seen.quiet >= times;
}
