# Completion of vipd for bash. Made by src/cli/manual/write-manual.ts: do not edit.

_vipd() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} path= word skip= index
  COMPREPLY=()
  # Which command is meant: words that are neither options nor their values.
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    if [[ -n $skip ]]; then
      skip=
      continue
    fi
    case $word in
      -c | --config | --log-level) skip=1 ;;
      -*) ;;
      *)
        case "$path $word" in
          ' cleanup' | ' witness' | ' witness init') path="$path $word" ;;
        esac
        ;;
    esac
  done
  case "$path $previous" in
    *' -c' | *' --config')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    *' --log-level')
      mapfile -t COMPREPLY < <(compgen -W 'trace debug info warn error fatal' -- "$current")
      return
      ;;
    ' cleanup -c' | ' cleanup --config')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' witness -c' | ' witness --config')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' witness --log-level')
      mapfile -t COMPREPLY < <(compgen -W 'trace debug info warn error fatal' -- "$current")
      return
      ;;
    ' witness init -c' | ' witness init --config')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  local words=
  case $path in
    '')
      words='cleanup witness|-V --version -c --config --log-level -h --help'
      ;;
    ' cleanup')
      words='|-c --config -h --help'
      ;;
    ' witness')
      words='init|-c --config --log-level -h --help'
      ;;
    ' witness init')
      words='|-c --config -h --help'
      ;;
  esac
  if [[ $current == -* ]]; then
    words=${words#*|}
  else
    words=${words%%|*}
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _vipd vipd
