"""What the commands of a conversation are, for its help and for completion."""

COMMANDS = ("/set", "/show", "/list", "/load", "/save", "/clear", "/bye", "/exit", "/?", "/help")
SET_WORDS = (
    *("parameter", "system", "history", "nohistory", "wordwrap", "nowordwrap", "markdown", "nomarkdown", "format"),
    *("noformat", "verbose", "quiet", "think", "nothink"),
)
SHOW_WORDS = ("info", "license", "modelfile", "parameters", "system", "template")
HELP = """\
Available Commands:
  /set            Set session variables
  /show           Show model information
  /list           List the models on this machine
  /load <model>   Load another model
  /save <model>   Save this conversation as a model
  /clear          Forget the conversation
  /bye            Exit (also Ctrl + d)
  /?, /help       Help for a command: /? set, /? show
  /? shortcuts    Help for keyboard shortcuts

Use \"\"\" to begin a multi-line message. Paths send files along: ./notes.txt,
./picture.png to a model that sees, ./sound.wav to one that hears."""
SHORTCUTS = """\
Available keyboard shortcuts:
  Ctrl + a            Move to the beginning of the line (Home)
  Ctrl + e            Move to the end of the line (End)
   Alt + b            Move back one word
   Alt + f            Move forward one word
  Ctrl + k            Delete to the end of the line
  Ctrl + u            Delete to the beginning of the line
  Ctrl + w            Delete the word before the cursor

   Alt + Enter        Begin another line of the message
   Tab                Complete a command, a model or a path
  Up, Down            Look through what was typed before
  Ctrl + r            Search what was typed before

  Ctrl + l            Clear the screen
  Ctrl + g            Write the message in an editor (OLLAMA_EDITOR)
  Ctrl + c            Stop the answer
  Ctrl + z            Go back to the shell for a while (fg)
  Ctrl + d            Exit (/bye)"""
SET_HELP = """\
Available Commands:
  /set parameter ...     Set a parameter
  /set system <string>   Set the system message
  /set history           Keep what is typed here for the next time
  /set nohistory         Do not keep it
  /set wordwrap          Break long lines between words
  /set nowordwrap        Leave long lines to the terminal
  /set markdown          Show answers as formatted text
  /set nomarkdown        Show answers as the model wrote them
  /set format json       Answer in JSON; also a JSON schema
  /set noformat          Answer freely
  /set verbose           Show timings
  /set quiet             Show none
  /set think [level]     Think before answering (low, medium, high, max)
  /set nothink           Answer at once"""
SHOW_HELP = """\
Available Commands:
  /show info         Show details of this model
  /show license      Show its licence
  /show modelfile    Show its Modelfile
  /show parameters   Show its parameters, and those set here
  /show system       Show the system message
  /show template     Show the template of its prompts"""
HELPS = {"set": SET_HELP, "show": SHOW_HELP, "shortcut": SHORTCUTS, "shortcuts": SHORTCUTS}
"""Further help, by the word after ``/?``."""
