//! The table of texts.

macro_rules! words {
    ($($key:ident: $english:literal, $french:literal;)*) => {
        /// The texts in one language.
        #[derive(Debug)]
        pub(in crate::dashboard) struct Words {
            $(pub(in crate::dashboard) $key: &'static str,)*
        }

        impl Words {
            /// English.
            pub(in crate::dashboard) const ENGLISH: Self = Self { $($key: $english,)* };
            /// French.
            pub(in crate::dashboard) const FRENCH: Self = Self { $($key: $french,)* };

            /// All of them with their names.
            #[cfg(test)]
            pub(super) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($key), self.$key),)*]
            }
        }
    };
}

words! {
    code: "en", "fr";
    decimal: ".", ",";
    byte_units: "B KiB MiB GiB TiB PiB", "o Kio Mio Gio Tio Pio";
    month_names: "January February March April May June July August September October November December",
        "Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre Novembre Décembre";
    weekday_names: "Mo Tu We Th Fr Sa Su", "lu ma me je ve sa di";
    rule_letters: "D W M Y C P H N F", "J S M A C É H N P";
    rules_legend: "D daily, W weekly, M monthly, Y yearly, C among the newest, P pinned, H run by hand, N newest, F newest days; without colour: no archive.",
        "J jour, S semaine, M mois, A année, C parmi les plus récentes, É épinglée, H lancée à la main, N la plus récente, P jours les plus récents ; sans couleur : aucune archive.";

    overview: "Overview", "Vue d’ensemble";
    jobs: "Jobs", "Tâches";
    archives: "Archives", "Archives";
    runs: "Runs", "Exécutions";
    plan: "Plan", "Plan";
    configuration: "Configuration", "Configuration";
    pages: "Pages", "Pages";
    skip: "Skip to the content", "Aller au contenu";

    log_in: "Log in", "Connexion";
    log_out: "Log out", "Déconnexion";
    token: "Token", "Jeton";
    token_hint: "A token with the scope admin. A new one is made by", "Un jeton ayant la portée admin. Pour en créer un :";
    unknown_token: "Nobody knows this token.", "Ce jeton est inconnu.";
    not_admin: "This token has not the scope admin.", "Ce jeton n’a pas la portée admin.";
    too_many: "Too many tokens were wrong. Wait a little.", "Trop de jetons erronés. Patientez un peu.";
    logged_out: "You are not logged in any more.", "Vous n’êtes plus connecté.";
    not_from_here: "This form was not sent by this page, or is too old.",
        "Ce formulaire ne vient pas de cette page, ou il est trop ancien.";
    not_from_here_hint: "Open the page again, and repeat it.", "Rouvrez la page et recommencez.";
    not_found: "Not found", "Introuvable";
    not_done: "Not done", "Refusé";
    not_sure: "The box was not ticked, so nothing was done.", "La case n’était pas cochée : rien n’a été fait.";
    to_overview: "To the overview", "Vers la vue d’ensemble";
    to_plan: "To the plan", "Vers le plan";
    to_configuration: "To the configuration", "Vers la configuration";

    attention: "Needs attention", "À examiner";
    job: "Job", "Tâche";
    verdict: "Verdict", "Verdict";
    last_run: "Last run", "Dernière exécution";
    next_run: "Next run", "Prochaine exécution";
    action: "Action", "Action";
    actions: "Actions", "Actions";
    run_now: "Run now", "Exécuter";
    drill_now: "Prove a restore now", "Prouver une restauration";
    disabled: "disabled", "désactivée";
    no_jobs: "There are no jobs yet.", "Il n’y a pas encore de tâche.";
    now: "Now", "En ce moment";
    running: "running", "en cours";
    waiting: "waiting", "en attente";
    nothing: "Nothing.", "Rien.";
    space: "Space", "Espace";
    location: "Location", "Emplacement";
    state: "State", "État";
    size: "Size", "Taille";
    free: "Free", "Libre";
    used: "Used at", "Utilisé à";
    kind: "Kind", "Type";
    schedule: "Schedule", "Horaire";
    keeps: "Keeps", "Conserve";
    goes_to: "Places", "Destinations";
    newest_count: "newest", "plus récentes";
    daily: "daily", "quotidiennes";
    weekly: "weekly", "hebdomadaires";
    monthly: "monthly", "mensuelles";
    yearly: "yearly", "annuelles";
    last_success: "Last success", "Dernier succès";
    good_copies: "Good copies", "Bonnes copies";
    last_drill: "Last drill", "Dernier essai de restauration";
    definition: "Definition", "Définition";
    written_in: "Written in", "Écrite dans";
    no_archives: "No archives.", "Aucune archive.";
    as_list: "As a list", "Sous forme de liste";
    all_archives: "All archives of this job", "Toutes les archives de cette tâche";
    all_runs: "All runs of this job", "Toutes les exécutions de cette tâche";
    history: "History", "Historique";
    archive: "Archive", "Archive";
    made: "Made", "Créée";
    kept_by: "Kept because", "Conservée car";
    leaves_on: "Leaves", "Part le";
    stays: "stays", "reste";

    search: "Name contains", "Le nom contient";
    origin: "Instance", "Instance";
    filter: "Filter", "Filtrer";
    reset: "Reset", "Réinitialiser";
    any: "any", "tous";
    newest: "Newest", "Plus récentes";
    older: "Older", "Plus anciennes";
    copies: "Copies", "Copies";
    verified: "Verified", "Vérifiée";
    in_trash_until: "In the trash until", "Dans la corbeille jusqu’au";
    content: "content", "contenu";
    members: "members", "éléments";
    files: "files", "fichiers";
    directories: "directories", "dossiers";
    others: "others", "autres";
    unreadable: "unreadable", "illisibles";
    changed: "changed while read", "modifiés pendant la lecture";
    vanished: "vanished while read", "disparus pendant la lecture";
    encrypted: "Encrypted", "Chiffrée";
    no: "no", "non";
    config_commit: "Configuration", "Configuration";
    verify: "Verify", "Vérifier";
    pin: "Pin", "Épingler";
    unpin: "Unpin", "Désépingler";
    download: "Download", "Télécharger";
    send: "Send a copy", "Envoyer une copie";
    send_to: "To", "Vers";
    delete: "Delete", "Supprimer";
    delete_sure: "Put this copy into the trash; it is deleted for good when its time there is over.",
        "Mettre cette copie à la corbeille ; elle sera supprimée définitivement à l’échéance.";
    undelete: "Take back from the trash", "Sortir de la corbeille";

    run: "Run", "Exécution";
    status: "Status", "Statut";
    what: "What", "Quoi";
    why: "Why", "Pourquoi";
    began: "Began", "Début";
    ended: "Ended", "Fin";
    progress: "Progress of run", "Avancement de l’exécution";
    cause: "Cause", "Cause";
    attempt: "attempt", "tentative";
    queued_at: "Queued", "Mise en file";
    hint: "What to do:", "Que faire :";
    cancel: "Cancel", "Annuler";
    log: "Log", "Journal";
    whole_log: "The beginning is not shown: whole log", "Le début n’est pas affiché : journal complet";

    will_happen: "What happens now", "Ce qui se passe maintenant";
    nothing_now: "Nothing is to be done now.", "Rien à faire pour le moment.";
    looks_again: "Looks again at", "Prochain examen :";
    notes: "Notes", "Remarques";
    unlisted: "Cannot be listed", "Impossible à lister";
    blocked: "Waits for approval", "Attend une approbation";
    would_free: "Would free", "Libérerait";
    approve: "Approve these deletions", "Approuver ces suppressions";
    approve_all: "Approve all these deletions", "Approuver toutes ces suppressions";
    approve_sure: "Delete exactly these archives.", "Supprimer exactement ces archives.";
    end_recovery: "End the recovery", "Terminer la récupération";
    end_recovery_sure: "There is nothing left to take back: jobs run again from now on.",
        "Il n’y a plus rien à reprendre : les tâches reprennent dès maintenant.";
    needs_frees: "Bytes", "Octets";
    forecast: "Forecast", "Prévision";
    show_forecast: "Show the coming 14 days", "Afficher les 14 prochains jours";
    copied: "Copied", "Copiées";
    drilled: "Proved", "Prouvées";
    expired: "Expired", "Expirées";
    day: "Day", "Jour";

    generation: "generation", "génération";
    stale: "In force in an older form:", "En vigueur dans une forme antérieure :";
    diagnostics: "Mistakes and warnings", "Erreurs et avertissements";
    reload: "Read the files again", "Relire les fichiers";
    effective: "In force", "En vigueur";
    try_toml: "Try TOML", "Essayer du TOML";
    try_toml_hint: "It is judged as the files are, and written nowhere.",
        "Il est jugé comme les fichiers, et n’est écrit nulle part.";
    as_file: "As if it were this file (empty: alone)", "Comme si c’était ce fichier (vide : seul)";
    check: "Check", "Vérifier";
    toml_valid: "No mistakes.", "Aucune erreur.";
    toml_invalid: "There are mistakes.", "Il y a des erreurs.";
    place: "Place", "Endroit";
    message: "Message", "Message";
}

/// Words of the API: as they are written there, in English, in French.
pub(super) const TERMS: &[(&str, &str, &str)] = &[
    ("protected", "protected", "protégée"),
    ("at_risk", "at risk", "à risque"),
    ("unprotected", "unprotected", "non protégée"),
    ("queued", "queued", "en file"),
    ("running", "running", "en cours"),
    ("success", "success", "succès"),
    ("warning", "warning", "avertissement"),
    ("error", "error", "erreur"),
    ("cancelled", "cancelled", "annulée"),
    ("interrupted", "interrupted", "interrompue"),
    ("good", "good", "bon"),
    ("partial", "partial", "partielle"),
    ("suspect", "suspect", "suspecte"),
    ("present", "present", "présente"),
    ("corrupt", "damaged", "endommagée"),
    ("lost", "lost", "perdue"),
    ("unavailable", "unavailable", "indisponible"),
    ("available", "available", "disponible"),
    ("unknown", "unknown", "inconnu"),
    ("trashed", "in the trash", "à la corbeille"),
    ("foreign", "not ours", "étrangère"),
    ("pinned", "pinned", "épinglée"),
    ("proven", "proven", "prouvée"),
    ("failed", "failed", "échouée"),
    ("unable", "cannot be tried", "impossible à essayer"),
    ("backup", "backup", "sauvegarde"),
    ("expire", "deletion", "suppression"),
    ("empty-trash", "emptying the trash", "vidage de la corbeille"),
    ("verify", "verification", "vérification"),
    ("send", "copy", "copie"),
    ("fetch", "fetch", "récupération"),
    ("prune", "deletion at a peer", "suppression chez un pair"),
    ("adopt", "adoption", "adoption"),
    ("restore", "restore", "restauration"),
    ("drill", "drill", "essai de restauration"),
    ("due", "due", "à l’heure"),
    ("first", "first time", "première fois"),
    ("manual", "by hand", "à la main"),
    ("reconcile", "wanted by the configuration", "voulu par la configuration"),
    ("scheduled", "scheduled", "programmée"),
    ("received", "received", "reçue"),
    ("copied", "copied", "copiée"),
    ("adopted", "adopted", "adoptée"),
    ("custom_dir", "directory", "dossier"),
    ("mysql", "MySQL", "MySQL"),
    ("postgresql", "PostgreSQL", "PostgreSQL"),
    ("ynh_app", "YunoHost app", "application YunoHost"),
    ("ynh_system", "YunoHost system", "système YunoHost"),
];
