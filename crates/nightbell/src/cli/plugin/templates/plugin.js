// @ts-check
// A plugin for Nightbell. Try it: nightbell plugin test FOLDER --set room=alerts
import { Plugin, rejected } from "#nightbell-plugin";

const plugin = new Plugin();

// Called for each message. Nothing returned: delivered. An error thrown: tried again later.
plugin.destination("@NAME@", {}, async (delivery, signal) => {
  const { room } = delivery.settings;
  if (!room) return rejected("there is no room");
  // hand the signal on, so that nothing goes on when its time is over: await fetch(url, { signal })
  signal.throwIfAborted();
  console.log(`to ${room}: ${delivery.message.title}`); // standard output is the plugin's log
});

plugin.run();
