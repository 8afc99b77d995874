# Completion of vipctl for bash. Made by src/cli/manual/write-manual.ts: do not edit.

_vipctl() {
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
      --config | --socket | -n | --lines | --timeout | --for | --user | --password-file | --admin-file | --wait | -o | --output | --node | --peer | --witness | --gateway | --instance) skip=1 ;;
      -*) ;;
      *)
        case "$path $word" in
          ' status' | ' history' | ' explain' | ' is-active' | ' switchover' | ' promote' | ' pause' | ' resume' | ' maintenance' | ' reload' | ' divergence' | ' rejoin' | ' doctor' | ' replication' | ' replication setup' | ' replication repair' | ' replication check' | ' replication help' | ' check-config' | ' import' | ' help') path="$path $word" ;;
        esac
        ;;
    esac
  done
  case "$path $previous" in
    *' --config')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    *' --socket')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' history -n' | ' history --lines')
      :
      return
      ;;
    ' switchover --timeout')
      :
      return
      ;;
    ' pause --for')
      :
      return
      ;;
    ' replication setup --user')
      :
      return
      ;;
    ' replication setup --password-file')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' replication setup --admin-file')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' replication setup --wait')
      :
      return
      ;;
    ' import -o' | ' import --output')
      compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    ' import --node')
      :
      return
      ;;
    ' import --peer')
      :
      return
      ;;
    ' import --witness')
      :
      return
      ;;
    ' import --gateway')
      :
      return
      ;;
    ' import --instance')
      :
      return
      ;;
  esac
  local words=
  case $path in
    '')
      words='status history explain is-active switchover promote pause resume maintenance reload divergence rejoin doctor replication check-config import help|-V --version --config --socket -h --help'
      ;;
    ' status')
      words='|--json --watch -h --help'
      ;;
    ' history')
      words='|--json -n --lines -h --help'
      ;;
    ' explain')
      words='|-h --help'
      ;;
    ' is-active')
      words='|-h --help'
      ;;
    ' switchover')
      words='|--dry-run --force --timeout -h --help'
      ;;
    ' promote')
      words='|--accept-loss -h --help'
      ;;
    ' pause')
      words='|--for -h --help'
      ;;
    ' resume')
      words='|-h --help'
      ;;
    ' maintenance')
      words='on off|-h --help'
      ;;
    ' reload')
      words='|-h --help'
      ;;
    ' divergence')
      words='|--json -h --help'
      ;;
    ' rejoin')
      words='|--discard --keep --yes -h --help'
      ;;
    ' doctor')
      words='|--json -h --help'
      ;;
    ' replication')
      words='setup repair check help|-h --help'
      ;;
    ' replication setup')
      words='|--dry-run --user --password-file --admin-file --wait -h --help'
      ;;
    ' replication repair')
      words='|-h --help'
      ;;
    ' replication check')
      words='|--json -h --help'
      ;;
    ' replication help')
      words='|'
      ;;
    ' check-config')
      if [[ $current != -* ]]; then
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
      fi
      words='|-h --help'
      ;;
    ' import')
      if [[ $current != -* ]]; then
        compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
      fi
      words='|-o --output --node --peer --witness --gateway --instance -h --help'
      ;;
    ' help')
      words='|'
      ;;
  esac
  if [[ $current == -* ]]; then
    words=${words#*|}
  else
    words=${words%%|*}
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _vipctl vipctl
