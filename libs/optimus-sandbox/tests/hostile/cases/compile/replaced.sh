# The program is not what it was any more: a folder, a pipe, a link that leads out, a link to itself.
rm -f main.sh
case "$(($$ % 2))" in 0) mkdir main.sh ;; *) ln -s main.sh main.sh ;; esac
