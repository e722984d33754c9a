// A page whose session has ended goes to where one signs in.
setInterval(async () => {
  if (!window.socket || window.socket.connected) return;
  try {
    const answer = await fetch("/session", { cache: "no-store" });
    if (answer.status === 401) window.location.reload();
  } catch {
    // the console is away: NiceGUI says so, and we ask again
  }
}, 3000);
